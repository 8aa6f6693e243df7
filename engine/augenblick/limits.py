"""Every bound of the engine: `NAME_unit_max = value`, with the reason.

A queue, map, string or loop whose size a peer, a plan or a disk decides has its bound here, and
what a bound refuses is counted by reason. Groups are in alphabetical order, names within them too.
"""

from typing import Final

# audit: the log of control commands
audit_details_bytes_max: Final = 4_096  # of one entry; longer ones are their length and hash
audit_line_bytes_max: Final = 8_192  # details and all else of an entry
audit_who_chars_max: Final = 256  # who asked, as the client says, and from where

# checkpoint: snapshots of key groups
checkpoint_live_share_min: Final = 0.3  # live bytes of a pack; below, they move and it is removed
checkpoint_pack_bytes_max: Final = 16 * 1024 * 1024  # one file, or one larger snapshot
checkpoint_replay_events_max: Final = 1_000_000  # --replay-max: what a crash applies again
checkpoint_replay_low: Final = 10_000  # --replay-max: with less, snapshots are all a shard does
checkpoint_replay_high: Final = 1_000_000_000  # likewise: rounds of a minute stay
checkpoint_retry_seconds: Final = 5.0  # between attempts on a full disk
checkpoint_round_ms: Final = 60_000  # every unit once, where few events come
checkpoint_set_bytes_max: Final = 32 * 1024 * 1024  # snapshots held, then written together
checkpoint_set_ms_max: Final = 5_000  # likewise, the time
checkpoint_snapshot_bytes_max: Final = 2**31 - 64  # one key group: 8 M users; encrypted in one go
checkpoint_tick_bytes_max: Final = 2 * 1024 * 1024  # snapshots in one tick: about a millisecond

# client: our own Forward client
client_ack_seconds_max: Final = 30.0  # without an ack, until the connection is made anew
client_chunk_bytes_max: Final = 1024 * 1024  # entries of one chunk
client_chunk_events_max: Final = 1_000  # likewise
client_chunks_unacked_max: Final = 32  # sent and not confirmed; then `send` waits
client_close_seconds: Final = 10.0  # for the last events to be confirmed
client_connect_seconds_max: Final = 5.0  # one attempt, handshake included
client_queue_events_max: Final = 100_000  # tracked and not yet sent; then `track` waits
client_redial_seconds_max: Final = 5.0  # pause between attempts to connect
client_redial_seconds_min: Final = 0.05  # first pause
client_unacked_bytes_max: Final = 8 * 1024 * 1024  # sent and not confirmed
replay_bad_lines_shown_max: Final = 10  # lines of a replayed file that are no JSON

# clients: connections of strangers
acks_unread_bytes_max: Final = 1024 * 1024  # acks that wait for a client that does not read
acks_unread_seconds_max: Final = 30.0  # without reading, until the connection is closed
client_handshake_seconds_max: Final = 10.0  # TLS and shared key, each
connections_max: Final = 10_000  # Forward clients of one gateway
half_closed_seconds_max: Final = 10.0  # a client that sends no more may wait so long for acks
receive_bytes_max: Final = 256 * 1024 * 1024  # incomplete frames of all clients of one gateway
receive_scratch_bytes: Final = 256 * 1024  # one read; all connections share it
receive_step_bytes: Final = 16 * 1024  # least room for the next read of an incomplete frame

# dead letters: what is kept of what was refused or could not be delivered
dead_letter_bytes_max: Final = 512 * 1024  # one line; an event of event_bytes_max in base64 fits
dead_letter_list_max: Final = 1_000  # letters in one answer of `dead-letters list`
dead_letter_reasons_max: Final = 256  # reasons counted apart; they are codes, but peers send them
dead_letter_retry_max: Final = 10_000  # letters taken by one `dead-letters retry`
dead_letter_segment_bytes_max: Final = (
    8 * 1024 * 1024
)  # one file, small enough to open in an editor
dead_letter_segments_max: Final = 32  # files; 256 MiB together, then the oldest is dropped
dead_letters_storing_max: Final = 20_000  # waiting for a disk that does not answer; then lost
dead_letters_write_max: Final = 1_000  # letters written and synced together

# erasures of users: until their receipts are written
erasure_ask_again_ms: Final = 10_000  # delivery, which may have been away or had a full disk
erasures_running_max: Final = 10_000  # of one shard; 200 bytes each in every set of snapshots
journal_age_ms_max: Final = 30 * 86_400_000  # --journal-age-max: a person may not be asked to wait
journal_age_ms_min: Final = 2_000  # likewise; below, a shard would do nothing else
renewal_look_seconds: Final = 1.0  # between two looks whether an erasure's files are clean
user_letters_max: Final = 1_000  # dead letters in one answer of `user show`

# delivery: what waits for the targets of actions
channel_close_seconds_max: Final = 2.0  # for lines that wait when a channel is closed
channel_lines_max: Final = 10_000  # lines that wait to be written by one file or log
delivery_apart_ms: Final = 50  # a busy file or log is written once in each: every write is a sync
delivery_attempt_seconds_max: Final = 60.0  # one attempt, whatever the channel does
delivery_attempts_max: Final = 12  # attempts of one delivery
delivery_backoff_ms_max: Final = 300_000  # between two attempts: a target that is back is soon met
delivery_concurrency_max: Final = 1_024  # attempts at once for one action
delivery_finished_keys_max: Final = 65_536  # final records remembered, so that none is sent twice
delivery_held_bytes_max: Final = 1024 * 1024  # RECORDS kept back until files are written again
delivery_outbox_max: Final = 50_000  # deliveries that wait for one action: 115 MB of firings
delivery_retry_after_ms_max: Final = 3_600_000  # what a target may ask for
delivery_together_max: Final = 1_000  # records in one attempt: 300 kB of firings, 3 ms of the loop
delivery_total_ms_max: Final = 6 * 3_600_000  # from arrival to the last attempt
outcomes_pause_ms: Final = 5  # outcomes of a delivery wait so long for others to leave with them
record_outcomes_max: Final = 1_000  # outcomes in one RECORDS_DONE: 17 kB of link_header_bytes_max
secret_bytes_max: Final = 64 * 1024  # one secret, read from a file
tail_answer_max: Final = 1_000  # records in one answer of `tail`
tail_records_max: Final = 2_048  # latest records of one kind that `tail` can show
tail_wait_seconds_max: Final = 20.0  # an answer of `tail` that waits for the next record
webhook_body_bytes_max: Final = 64 * 1024  # read of an answer, to keep the connection; then closed
webhook_connect_seconds_max: Final = 3.0  # to one address of a host; then its next one is tried
webhook_head_bytes_max: Final = 64 * 1024  # of an answer; servers send less than 8 kB
webhook_idle_seconds_max: Final = (
    15.0  # an older connection may be about to be closed by its target
)

# events: what one client may send
context_keys_max: Final = 256  # keys of one context map; a form with more is not behaviour
event_bytes_max: Final = 256 * 1024  # one event; larger payloads belong in a store, with a link
event_name_bytes_max: Final = 128  # as long as any name of the known tracking vocabularies, twice
id_bytes_max: Final = 128  # an id is a UUID or a short key
nesting_depth_max: Final = 32  # maps and arrays inside one event; scanners keep a stack of this
props_keys_max: Final = 1024  # keys of one props map
refusals_max: Final = 16_384  # refused events of one chunk told apart; the rest is one refusal
session_bytes_max: Final = 128  # a session id is an id
tag_bytes_max: Final = 256  # a Fluent tag, kept as context.stream
time_ms_max: Final = 7_258_118_400_000  # 2200-01-01, exclusive: microseconds taken for ms
time_ms_min: Final = -2_208_988_800_000  # 1900-01-01, inclusive: a clock that never was set
user_bytes_max: Final = 256  # a user id; e-mail addresses have at most 254

# frames: what one connection may send
chunk_id_bytes_max: Final = 128  # clients send 24: base64 of 128 bits
forward_joined_bytes_max: Final = 256 * 1024  # Message frames of one read that go on as one chunk
forward_options_bytes_max: Final = 4_096  # the option map of one frame; clients send some 60
frame_bytes_max: Final = 16 * 1024 * 1024  # one frame or chunk, also after decompression
frame_depth_max: Final = 40  # containers open in an incomplete frame: four of ours and an event's
frame_rescan_bytes_max: Final = 64 * 1024  # incomplete object that may be skipped anew per read
handshake_bytes_max: Final = 4_096  # one PING; a digest has 128, a host name at most 253
inflate_ratio_free_bytes_max: Final = 64 * 1024  # output of gzip to which no ratio is applied
inflate_ratio_max: Final = 200  # output to input; real events reach 10 to 40, a bomb 1,032

# gateway: what one gateway keeps
batch_bytes_max: Final = 256 * 1024  # routed bytes of a shard that are sent without more waiting
batches_in_flight_max: Final = 4  # unacknowledged batches beyond which the next one grows
dead_letter_detail_chars_max: Final = 500  # what a gateway says about one refused event
dead_letter_raw_bytes_max: Final = 64 * 1024  # of one refused event that a gateway hands on
gateway_dead_letters_bytes_max: Final = 16 * 1024 * 1024  # waiting for delivery, then the oldest go
gateway_dead_letters_max: Final = 10_000  # likewise in letters
gateway_standstill_ms: Final = 250  # between two ticks: the process stood, its sources did not
gateway_unacked_bytes_max: Final = 64 * 1024 * 1024  # routed and not acknowledged, by all shards
shard_unacked_bytes_max: Final = 32 * 1024 * 1024  # likewise by one shard; then clients wait
source_lags_max: Final = 512  # chunks of one source whose lag is kept for its percentile

# http: requests of one gateway
control_body_bytes_max: Final = 1024 * 1024  # a plan with room to spare; commands send less
http_answer_seconds_max: Final = 30.0  # for an ack, or an answer from inside the engine
http_body_seconds_max: Final = 30.0  # for a body to come whole
http_connections_max: Final = 4_096  # requests and connections at once; above: 503
http_drain_seconds_max: Final = 5  # for requests under way when the server stops
http_keep_alive_seconds: Final = 30  # an idle connection stays open

# journal: what a shard writes before it answers
journal_busy_bytes_per_second: Final = 16 * 1024 * 1024  # a shard with 100,000 events/s and more
journal_busy_commit_bytes: Final = 1024 * 1024  # that wait are worth a commit of their own
journal_busy_pause_seconds: Final = 0.004  # between commits of a busy shard: 250/s, not 1,000
journal_busy_seconds: Final = 0.1  # over which it is found out who is busy
journal_commit_bytes_max: Final = 8 * 1024 * 1024  # records written and synced together
journal_full_retry_seconds: Final = 0.5  # between attempts to write on a full disk
journal_pending_bytes_max: Final = 256 * 1024 * 1024  # for a disk that stands; then refused
journal_quiet_seconds: Final = 1.0  # without a record; then a mark names the last commit durable
journal_record_bytes_max: Final = 16 * 1024 * 1024  # one record: a link frame has no more
journal_search_bytes_max: Final = 1024 * 1024 * 1024  # checked for proof that damage is no torn end
journal_segment_bytes: Final = 64 * 1024 * 1024  # one file, made whole before its first record
journal_sync_seconds: Final = 1.0  # durability `os`: a lost machine costs no more than this
journal_unanswered_bytes_max: Final = 64 * 1024 * 1024  # applied, not durable; then batches wait
recovery_turn_seconds: Final = 0.05  # of replay between two looks at the loop
thread_switch_seconds: Final = 0.0005  # the loop waits so long at most for the threads of the disk

# keys: what lies on disk encrypted
keys_max: Final = 64  # of one key file; each is there only until what it encrypted has gone

# kernel: what one user or key group may hold; equal to the native modules' own, by a test
absence_values_max: Final = 1_024  # timers by `match` value, per user and trigger
dedup_max: Final = 1_024  # fingerprints per key group, in sets of 8: 4 M in all, 64 MiB
group_bytes_max: Final = 264  # a group's value as msgpack; longer ones make no group
metric_groups_max: Final = 1_000  # per key group and window; the rest is the group `other`
schedule_spread_ms: Final = 60_000  # users' turns after an instant of `every`: 1 M are 17 a ms
trigger_partials_max: Final = 16_384  # of one user and sequence, whatever the value of `match`
user_state_bytes_max: Final = 4 * 1024 * 1024  # one user's record; above, parts are not kept
value_bytes_max: Final = 1_024  # one kept property value; longer ones are not kept
waiting_max: Final = 256  # events of one user and event-time sequence; above, the oldest goes on

# link: the framed protocol between the engine's own processes
link_close_seconds_max: Final = 1.0  # for what is written to leave when a process ends
link_dial_seconds_max: Final = 2.0  # one attempt to connect; hosts of one cluster are near
link_handshake_bytes_max: Final = 4096  # a frame of a peer that has proved nothing yet
link_handshake_seconds_max: Final = 10.0  # from connect to proof
link_header_bytes_max: Final = 60_000  # fits the u16 of the frame; a table of 64 shards needs 10 kB
link_keepalive_seconds: Final = 2.0  # a connection that sent nothing for so long sends a PING
link_machine_silence_seconds_max: Final = 5.0  # not even its kernel answers: off, or cut off
link_payload_bytes_max: Final = 15 * 1024 * 1024  # of one batch; a link frame has 16 MiB
link_redial_seconds_max: Final = 0.25  # pause between attempts; also the delay after a long outage
link_redial_seconds_min: Final = 0.02  # first pause: a restarted peer listens again within that
link_silence_seconds_max: Final = 15.0  # seven missed PINGs: the other end or the network is gone
link_strangers_max: Final = 64  # connections at once that have proved nothing yet
link_write_bytes_max: Final = 256 * 1024 * 1024  # waiting for a peer that does not read

# poison: what starts died of
poison_deaths_max: Final = 64  # streams remembered; a crash of the machine leaves one too

# plan: what one plan may hold
actions_max: Final = 256  # named actions
by_groups_max: Final = 65_536  # by_max of one feature: groups inside one user
cap_firings_max: Final = 1_000  # n of one cap; a user keeps up to twice as many times
code_stack_max: Final = 32  # values on the stack of one condition; the kernel's array
code_words_max: Final = 1_024  # words of one compiled condition
condition_chars_max: Final = 4_096  # one condition as text; longer ones are generated, not written
condition_depth_max: Final = 24  # brackets inside brackets; the parser recurses
condition_tree_max: Final = (
    128  # operators on top of each other, expressions inlined; code recurses
)
duration_ms_max: Final = 36_500 * 86_400_000  # a hundred years: any longer is a slip of the key
events_declared_max: Final = 4_096  # events of one tracking plan
expression_chain_max: Final = 16  # expressions that read expressions; looked up by recursion
features_max: Final = 1_024  # stored features; each has a bit in the kernel's dispatch
list_items_max: Final = 1_024  # max of one list feature
metrics_max: Final = 1_024  # metrics of one plan
partials_max: Final = 4_096  # partial_max of one sequence
plan_bytes_max: Final = 1024 * 1024  # the YAML text
plan_depth_max: Final = 16  # maps and lists inside each other; the grammar needs 7
plan_name_chars_max: Final = 128  # any name a plan gives; as long as an event's name may be
plan_nodes_max: Final = 65_536  # keys and values together; a thousand triggers of 30 each, twice
plan_problems_max: Final = 100  # mistakes shown together; the rest is a number
plan_text_chars_max: Final = 4_096  # one description, URL or path
segments_max: Final = 512  # segments of one plan; their order is found by recursion
sliding_events_max: Final = 65_536  # sliding_max of one feature: events kept exactly
sequence_events_max: Final = 64  # of one match, repeats included
steps_max: Final = 16  # steps of one sequence
triggers_max: Final = 1_024  # triggers of one plan
variants_max: Final = 64  # variants of one trigger
windows_per_event_max: Final = 1_024  # size / every of one hopping window: panes an event touches

# metrics: merged across shards
metric_empty_windows_max: Final = 100_000  # of one metric in one step of the clock; then it jumps
metric_history_windows: Final = 12  # closed windows a group is remembered for, as the semantics say

# outbox: what one process keeps for another until it is answered
outbox_bytes_max: Final = 64 * 1024 * 1024  # per peer; the oldest leave as dead letters
outbox_items_max: Final = 100_000  # per peer; firings a slow delivery may fall behind
outbox_message_bytes_max: Final = 8 * 1024 * 1024  # half a frame, so that headers never matter
quiet_held_max: Final = 100_000  # of one shard; what finds it full is dropped and counted
quiet_let_go_max: Final = 1_000  # in one step when quiet hours are over
quiet_outbox_items_max: Final = 10_000  # above so many unanswered ones the rest stays held
outbox_message_items_max: Final = 1_000  # per message, so that answers stay small

# savepoint: everything at one position, on request
savepoint_drop_seconds: Final = 2.0  # a pack of a failed one may still be on its way
savepoint_hold_ms_max: Final = 10_000  # a shard stands still no longer; then the savepoint fails
savepoint_place_bytes_max: Final = 1_024  # the text of a place
savepoint_retry_seconds_max: Final = 60.0  # an object store that does not answer
savepoint_step_bytes: Final = 4 * 1024 * 1024  # snapshots between two looks at the loop: some 15 ms
savepoint_told_ms_max: Final = 5_000  # before an engine that ends with one goes on to end
savepoint_waiting_bytes_max: Final = 512 * 1024 * 1024  # held until written: 1.5 M users

# simulate: one process over a file
simulate_block_bytes: Final = 256 * 1024  # lines per call of the kernel: large enough to be quick
simulate_line_bytes_max: Final = 4 * 1024 * 1024  # JSON of one event, all of it escaped

# trigger hosts: custom triggers
actor_batch_events_max: Final = 1_000  # per call of a custom class
actor_batch_starts_max: Final = 3  # starts of a host that one batch may cost; then it is dropped
actor_cooldown_users_max: Final = 100_000  # per shard and trigger; the longest quiet are forgotten
actor_call_seconds_max: Final = 10.0  # a call of a custom class; then its process is ended
actor_waiting_events_max: Final = 50_000  # per shard and trigger; the oldest leave, counted

# times between the engine's own processes
catch_up_ms_max: Final = 3_600_000  # an hour's stand of the clock: no client buffers longer
gateway_absent_ms_max: Final = 10_000  # a gateway that is away holds the clock for so long
heartbeat_ms: Final = 1_000  # status of each process to the coordinator
shard_lost_ms: Final = 200  # a shard whose connection broke may come back before it is replaced
shard_pause_ms_max: Final = 10_000  # before a shard that dies again and again is started anew
shard_settled_ms: Final = 60_000  # a shard that has lived so long begins with a short pause again
shard_start_ms_max: Final = 30_000  # from asking for a shard to its registration; then ask again
status_ended_shards_max: Final = 64  # ended shards whose counts stay in the sums
status_log_lines_max: Final = 50  # latest warnings shown by `status`
stop_phase_ms_max: Final = 10_000  # one phase of the orderly stop
spare_ms_max: Final = 3_000  # for a spare to have taken over; then Ray is asked for a shard
spare_pause_ms: Final = 10_000  # between two requests for a spare: each takes some seconds' CPU
spare_standstill_ms: Final = 2_500  # a spare that looked away for so long begins to count anew
tick_ms: Final = 10  # of every core; a deadline is noticed within that

# ownership of directories
lock_busy_seconds_max: Final = 60.0  # an owner that works and does not come round is given up
lock_patience_seconds: Final = 5.0  # an owner that gave no sign of life for so long is killed
lock_poll_seconds: Final = 0.02  # a killed owner's lock is free within 2 ms
lock_wait_seconds_max: Final = 10.0  # then the owner of a directory keeps it

# ray: the Ray that `serve` starts or joins
machine_answer_seconds_max: Final = 30.0  # what lies on a node: a worker's start on a slow one
node_answer_seconds_max: Final = 2.0  # a TCP connection, with one packet lost and sent again
nodes_asked_at_once_max: Final = 32  # a thread each; dead ones take the whole time
processes_end_seconds_max: Final = 20.0  # actors of an earlier start, also on a slow node
process_log_bytes_max: Final = 50_000_000  # standard output of one process; one older file is kept
ray_folder_bytes_max: Final = 20  # Ray adds 75 to 85 for a socket's name; the system allows 107
ray_start_seconds_max: Final = 60.0  # a slow machine's first start reads 200 MB from disk
ray_stop_seconds_max: Final = 5.0  # for killed processes to be gone
ready_seconds_max: Final = 60.0  # from Ray's start to every process connected
shard_nodes_seconds_max: Final = 120.0  # for machines to join; then those that are there do
stop_seconds_max: Final = 45.0  # the orderly stop; each of its four phases is bounded too

# size of one engine
gateways_max: Final = 64  # a key group keeps one number per gateway
shards_max: Final = 256  # 16 key groups each; more shards make the ranges too uneven
