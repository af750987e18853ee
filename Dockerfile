# sopsync with every extra, on a slim base: Python, git (repositories are read through it), ssh (deploy keys), gpg
# (PGP-encrypted files), and one wheel. Everything pip installs is pinned and hashed; the base is pinned by version here, and
# by digest where you build: --build-arg PYTHON=python@sha256:…. It runs as nobody in particular on a read-only file system,
# and no part of it starts a shell:
#
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/repo:ro" -e SOPS_AGE_KEY -e VAULT_TOKEN sopsync plan
#
#   docker run --rm --read-only --tmpfs /tmp -e TMPDIR=/tmp -v "$PWD/token:/token:ro" -e SOPS_AGE_KEY sopsync \
#     reconcile --repo https://git.example.com/acme/secrets.git --token-file /token
#
# The embedded store writes into the repository it is configured in; mount that one without `:ro`, owned by 65532.
ARG PYTHON=python:3.13.9-slim-bookworm

FROM ${PYTHON} AS wheel
WORKDIR /src
COPY requirements-build.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m hatchling build -t wheel -d /dist

FROM ${PYTHON} AS environment
RUN python -m venv --without-pip /opt/sopsync
COPY requirements.txt ./
RUN pip --python /opt/sopsync install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY --from=wheel /dist /dist
RUN pip --python /opt/sopsync install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM ${PYTHON}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git gnupg openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 # the mounted repository belongs to somebody else; nothing but this one place is trusted for that
 && git config --system safe.directory /repo \
 # ssh will not run for somebody who has no name
 && echo "sopsync:x:65532:65532:sopsync:/tmp:/usr/sbin/nologin" >> /etc/passwd \
 && echo "sopsync:x:65532:" >> /etc/group
COPY --from=environment /opt/sopsync /opt/sopsync
ENV PATH=/opt/sopsync/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /repo
ENTRYPOINT ["sopsync"]
CMD ["--help"]
