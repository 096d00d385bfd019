# syntax=docker/dockerfile:1
# The service: docker build -t shoptalk . ; with CUDA: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
# The CPU index comes first for torch alone: its version is pinned by the range in pyproject.toml.
RUN python -m venv /opt/shoptalk \
 && torch=$(python -c "import tomllib; print(next(d for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'] if d.startswith('torch')))") \
 && /opt/shoptalk/bin/pip install --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple "$torch" \
 && /opt/shoptalk/bin/pip install '.[serve,postgres,rerank]'

FROM python:3.11-slim-bookworm
# libgomp: OpenMP of LightGBM and scikit-learn.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin shoptalk \
 && install -d -o shoptalk -g shoptalk /data /runs
COPY --from=build /opt/shoptalk /opt/shoptalk
ENV PATH=/opt/shoptalk/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp XDG_CACHE_HOME=/tmp MPLCONFIGDIR=/tmp
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["shoptalk"]
# A run is mounted at /runs/current; the root file system may be read-only, with a tmpfs at /tmp.
CMD ["serve", "/runs/current", "--host", "0.0.0.0", "--database", "/data/shoptalk.db"]
