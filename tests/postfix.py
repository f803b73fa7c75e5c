"""What every Postfix of the tests has in common: files in a folder of its own, loopback alone, virtual mailboxes."""

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = {host}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
mydestination =
alias_maps =
alias_database =
smtpd_peername_lookup = no
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{user}
virtual_gid_maps = static:{group}
"""

_MASTER = """
127.0.0.1:{port} inet n - n - 20 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def main_cf(own: str, **given: object) -> str:
    """main.cf: what all have in common and a server's own lines. `given` fills both: folder, host, user, group, …"""
    return (_MAIN + own).format(**given)


def master_cf(port: int) -> str:
    """master.cf, with smtpd on that port."""
    return _MASTER.format(port=port)
