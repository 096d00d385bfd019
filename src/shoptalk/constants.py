"""Numbers with one meaning each; this module imports nothing, so that every part and every command may import it."""

#: Length at which ranked lists are judged, compared and shown where nobody says otherwise.
DEFAULT_K = 10
#: Share of resamples that an interval covers.
CONFIDENCE = 0.95
#: A corrected p value below this is called significant.
SIGNIFICANCE = 0.05
#: How often a test should find a difference that is real.
POWER = 0.8
#: Number of items from which on a catalogue is large: an approximate index is then used.
LARGE_CATALOGUE = 200_000

#: Segments of the prompts of a benchmark file, by which its audit asks what each gives away alone.
TARGET_SEGMENT, HISTORY_SEGMENT = "the target", "the history without the target"
LAST_LINE_SEGMENT, REST_SEGMENT = "the last line", "the prompt without its history"
OPTIONS_SEGMENT = "the options"
