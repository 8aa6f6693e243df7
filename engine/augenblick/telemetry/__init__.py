"""What the engine measures about itself: histograms and their exporters."""
