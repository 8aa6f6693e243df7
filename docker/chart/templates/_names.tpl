{{- define "augenblick.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "augenblick.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "augenblick.labels" -}}
{{ include "augenblick.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "augenblick.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "augenblick.secret" -}}
{{ .Values.existingSecret | default (include "augenblick.name" .) }}
{{- end }}

{{- define "augenblick.plan" -}}
{{ .Values.plan | default (.Files.Get "files/plan.yaml") }}
{{- end }}

{{/* What every pod has in common: non-root, no token of the Kubernetes API, Ray's folders. */}}
{{- define "augenblick.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "augenblick.container" -}}
image: {{ include "augenblick.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "augenblick.environment" -}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: HOME
  value: /tmp
- name: RAY_AUTH_MODE
  value: token
- name: RAY_AUTH_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "augenblick.secret" . }}, key: ray-token}}
- name: AUGENBLICK_CLUSTER_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "augenblick.secret" . }}, key: cluster-secret}}
- name: RAY_USAGE_STATS_ENABLED
  value: "0"
- name: RAY_gcs_rpc_server_reconnect_timeout_s
  value: "86400"
- name: RAY_memory_monitor_refresh_ms
  value: "0"
- name: RAY_health_check_period_ms   # a lost pod is noticed after 5 s, by Ray's default after 15
  value: "1000"
- name: RAY_worker_niceness
  value: "0"
{{- with .Values.extraEnvironment }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "augenblick.mounts" -}}
- {name: data, mountPath: /data}
- {name: temporary, mountPath: /tmp}
- {name: shared-memory, mountPath: /dev/shm}
- {name: keys, mountPath: /run/augenblick, readOnly: true}
{{- end }}

{{- define "augenblick.volumes" -}}
- name: temporary
  emptyDir: {}
- name: shared-memory
  emptyDir: {medium: Memory, sizeLimit: {{ .Values.sharedMemory }}}
- name: keys
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: secret
  secret: {secretName: {{ include "augenblick.secret" . }}, defaultMode: 0440, optional: false}
{{- if .Values.dataKeys.existingSecret }}
- name: data-keys
  secret:
    secretName: {{ .Values.dataKeys.existingSecret }}
    defaultMode: 0440
    optional: false
    items: [{key: {{ .Values.dataKeys.key }}, path: data-keys}]
{{- end }}
{{- end }}

{{/* Key files that only their owner may read, as the engine demands; a mounted Secret is the group's. */}}
{{- define "augenblick.keys" -}}
- name: keys
  {{- include "augenblick.container" . | nindent 2 }}
  command: [sh, -c, "umask 077 && cp /etc/augenblick/*/* /run/augenblick/"]
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    - {name: secret, mountPath: /etc/augenblick/secret, readOnly: true}
    {{- if .Values.dataKeys.existingSecret }}
    - {name: data-keys, mountPath: /etc/augenblick/data-keys, readOnly: true}
    {{- end }}
    - {name: keys, mountPath: /run/augenblick}
{{- end }}
