"""What a language model is told: templates as strict data, and one way to render them for training and serving."""
