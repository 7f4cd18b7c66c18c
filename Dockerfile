# Gristmill's images. Targets: web (also the scheduler, the helper and migrations), edge (nginx), node (works on the
# processor), node-gpu (NVIDIA). docs/production.md says how they run. Nothing here needs BuildKit.

# The builder of Docker 20 makes every stage above the one it is asked for: so the large ones come last.

# -- What only builds -------------------------------------------------------------------------------------------------

FROM debian:bookworm-slim AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV UV_NO_CACHE=1 UV_NATIVE_TLS=1 UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_REQUIRE_HASHES=1
WORKDIR /opt/gristmill
COPY requirements/build.txt requirements/
RUN pip install --quiet --no-cache-dir --break-system-packages --require-hashes -r requirements/build.txt

FROM tools AS front
COPY requirements/front.txt requirements/
RUN uv venv --quiet && uv pip install --quiet -r requirements/front.txt
COPY package.json package-lock.json .npmrc ./
COPY portal/__init__.py portal/
COPY portal/kit portal/kit
COPY static/src static/src
RUN .venv/bin/python -m portal.kit.frontend

FROM tools AS web-packages
COPY requirements/web.txt requirements/
RUN uv venv --quiet && uv pip install --quiet -r requirements/web.txt

# The program as every image of ours holds it: compiled, and owned by root, so that no process of ours can change it.
FROM tools AS program
COPY manage.py pyproject.toml ./
COPY portal portal
COPY hardware hardware
COPY jobs jobs
COPY templates templates
COPY static static
COPY --from=front /opt/gristmill/static/build static/build
RUN rm -f static/build/.lock static/build/.stamp \
 && python3 -m compileall -q --invalidation-mode unchecked-hash portal hardware jobs

FROM web-packages AS collected
COPY --from=program /opt/gristmill ./
RUN GRISTMILL_HOME=/tmp/home .venv/bin/python manage.py collectstatic --no-input \
 && mv /tmp/home/static /srv/static \
 && find /srv/static -type f -size +1k -regex '.*\.\(css\|js\|svg\|json\|txt\|map\)' -exec gzip --keep --best '{}' +

# -- The portal -------------------------------------------------------------------------------------------------------

# bubblewrap: uploads are checked, and jobs run, in sandboxes inside the container.
FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 gristmill \
 && useradd --uid 10001 --gid gristmill --home-dir /var/lib/gristmill --no-create-home --shell /usr/sbin/nologin gristmill \
 && install -d -o gristmill -g gristmill -m 0700 /var/lib/gristmill /var/lib/gristmill/blobs
ENV PATH=/opt/gristmill:/opt/gristmill/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/gristmill PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=portal.settings GRISTMILL_HOME=/var/lib/gristmill \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2
WORKDIR /opt/gristmill
USER 10001:10001

FROM base AS web
COPY --from=web-packages /opt/gristmill/.venv .venv
COPY --from=program /opt/gristmill ./

FROM nginx:1.28-bookworm AS edge
# nginx reads the blobs that it sends, so it runs as the user who owns them.
RUN openssl version \
 && install -d -o 10001 -g 10001 -m 0700 /srv/blobs /var/lib/edge
COPY --from=collected /srv/static /srv/static
COPY portal/edge/start /usr/local/bin/edge
COPY portal/edge/*.conf /etc/nginx/
USER 10001:10001
ENTRYPOINT ["edge"]
CMD []

# -- Nodes ------------------------------------------------------------------------------------------------------------

FROM tools AS node-packages
COPY requirements/node.txt requirements/
RUN uv venv --quiet && uv pip install --quiet -r requirements/node.txt \
 && rm -rf .venv/lib/python3*/site-packages/tensorflow/include

FROM base AS node
COPY --from=node-packages /opt/gristmill/.venv .venv
COPY --from=program /opt/gristmill ./

FROM tools AS gpu-packages
COPY requirements/gpu.txt requirements/
RUN uv venv --quiet && uv pip install --quiet -r requirements/gpu.txt \
 && rm -rf .venv/lib/python3*/site-packages/tensorflow/include

FROM base AS node-gpu
COPY --from=gpu-packages /opt/gristmill/.venv .venv
COPY --from=program /opt/gristmill ./
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
