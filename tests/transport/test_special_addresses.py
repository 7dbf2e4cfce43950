"""Which addresses are simply a host on the internet."""

import pytest

from proofkey.transport.special_addresses import is_special_address

SPECIAL = {
    "this network": "0.0.0.0",
    "this network, further on": "0.1.2.3",
    "private 10": "10.0.0.1",
    "private 172.16": "172.16.0.1",
    "private 172.31": "172.31.255.255",
    "private 192.168": "192.168.1.1",
    "shared": "100.64.0.1",
    "shared, the metadata service there": "100.100.100.200",
    "loopback": "127.0.0.1",
    "loopback, another": "127.255.255.254",
    "link-local": "169.254.1.1",
    "metadata service": "169.254.169.254",
    "metadata service of containers": "169.254.170.2",
    "host agent": "168.63.129.16",
    "protocol assignments": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "6to4 relay": "192.88.99.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "multicast, the last": "239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv4-mapped private": "::ffff:10.0.0.1",
    "IPv4-mapped public": "::ffff:8.8.8.8",
    "IPv4-mapped in digits": "::ffff:7f00:1",
    "IPv4-compatible": "::127.0.0.1",
    "IPv4-translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64 for local use": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ORCHID": "2001:20::1",
    "IPv6 benchmarks": "2001:2::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 documentation, the larger": "3fff::1",
    "6to4 of a private address": "2002:a00:1::",
    "6to4 of a public address": "2002:808:808::1",
    "segment routing": "5f00::1",
    "unique-local": "fc00::1",
    "metadata service over IPv6": "fd00:ec2::254",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "a zone on a public address": "2606:4700::1111%1",
    "site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "ISATAP": "2a00:1450::5efe:10.0.0.1",
    "ISATAP, global": "2a00:1450::200:5efe:10.0.0.1",
    "a name": "localhost",
    "a number": "2130706433",
    "octal": "0177.0.0.1",
    "nothing": "",
}
PLAIN = {
    "IPv4": "93.184.216.34",
    "before 10": "9.255.255.255",
    "after 10": "11.0.0.0",
    "before 100.64": "100.63.255.255",
    "after 100.127": "100.128.0.0",
    "after 172.31": "172.32.0.0",
    "after 192.168": "192.169.0.0",
    "before multicast": "223.255.255.255",
    "IPv6": "2606:4700::1111",
    "IPv6, the first of a registry": "2001:200::1",
}


@pytest.mark.spec("CIMD-6.5-a", "8725b-3.10", "threats 2 row 36")
@pytest.mark.parametrize("address", SPECIAL.values(), ids=SPECIAL.keys())
def test_an_address_of_a_special_registry_is_told_apart(address: str):
    assert is_special_address(address)


@pytest.mark.parametrize("address", PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_address_of_the_internet_passes(address: str):
    assert not is_special_address(address)
