#!/bin/sh
# Makes keys and a repository where there are none, then serves git over ssh. Workers mount /keys as their ~/.ssh.
set -eu

if [ ! -e /keys/id_ed25519 ]; then
    ssh-keygen -q -t ed25519 -N '' -C worker -f /keys/id_ed25519
    ssh-keygen -q -t ed25519 -N '' -C git -f /keys/host_key
    printf 'git %s\n' "$(cut -d' ' -f1,2 /keys/host_key.pub)" > /keys/known_hosts
fi
# Readable by the worker's user alone; the host's key by root alone.
chown 1000:1000 /keys /keys/id_ed25519 /keys/id_ed25519.pub /keys/known_hosts
chmod 0700 /keys
chown root:root /keys/host_key
chmod 0600 /keys/host_key /keys/id_ed25519

install -d -o git -g git -m 0700 /home/git/.ssh
install -o git -g git -m 0600 /keys/id_ed25519.pub /home/git/.ssh/authorized_keys

if [ ! -e /srv/git/demo.git ]; then
    git init --quiet --bare --initial-branch main /srv/git/demo.git
    seed=$(mktemp -d)
    git clone --quiet /srv/git/demo.git "$seed" 2>/dev/null
    echo '# demo' > "$seed/README.md"
    git -C "$seed" add README.md
    git -C "$seed" -c user.name=demo -c user.email=demo@example.org commit --quiet --message 'first'
    git -C "$seed" push --quiet origin HEAD:main
    rm -r "$seed"
    chown -R git:git /srv/git
fi

install -d /run/sshd
exec /usr/sbin/sshd -D -e -h /keys/host_key -o PasswordAuthentication=no -o PermitRootLogin=no -o AllowUsers=git
