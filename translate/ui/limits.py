"""What the app takes, keeps and queues. One place, so that texts and checks agree."""

MAX_UPLOAD_MB = 200  # of any upload: zips
MAX_PHOTO_MB = 30
MAX_PIXELS = 40_000_000
MAX_STEPS = 200
MAX_SAMPLES = 9

MAX_FILES = 100  # of a batch, zips unpacked
MAX_BATCH_MB = 400  # of a batch, zips unpacked

QUEUE = 64  # requests waiting at a time, all users together
SESSIONS = 100  # pages whose state Gradio keeps
SHELF_MB = 512  # walks kept for scrubbing, all users together
FILES_KEPT_S = 30 * 60
SWEEP_EVERY_S = 60

STREAM_EVERY_S = 0.15  # at most one preview in this time
SHOWN_SIDE = 1280  # long side of pictures on the page; downloads have the photo's own size
STREAM_SIDE = 640  # long side of pictures streamed while walking
