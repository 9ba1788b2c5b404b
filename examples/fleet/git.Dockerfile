# A git server over ssh, with one repository, /srv/git/demo.git, and a key that is made at its first start.
FROM debian:bookworm-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-server \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
    && useradd --create-home --shell /usr/bin/git-shell git \
    && usermod --password '*' git \
    && install -d -o git -g git /srv/git

COPY examples/fleet/git-server.sh /usr/local/bin/git-server
EXPOSE 22
CMD ["/bin/sh", "/usr/local/bin/git-server"]
