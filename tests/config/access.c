/* Words of `allow` and `deny`: what they are read as, and for whom they hold. */
#include "config/access.h"

#include "vsock/vsock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct access_rule rule_of(const char *word)
{
    struct access_rule rule;
    char error[ACCESS_ERROR_BYTES];

    cr_assert_eq(access_parse(word, &rule, error), 0, "%s: %s", word, error);
    return rule;
}

Test(access, prints_what_it_read)
{
    static const struct {
        const char *word;
        const char *text;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.7/32", "192.0.2.7"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"2001:DB8:0:0::1/128", "2001:db8::1"},
        {"::1", "::1"},
        {"::/0", "::/0"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"uid:0", "uid:0"},
        {"uid:root", "uid:0"},
        {"uid:4294967294", "uid:4294967294"},
        {"gid:daemon", "gid:1"},
        {"cid:3", "cid:3"},
        {"cid:local", "cid:1"},
        {"cid:hypervisor:0", "cid:0:0"},
        {"cid:any", "cid:any"},
        {"cid:4294967295:0-1023", "cid:any:0-1023"},
        {"cid:3:5-5", "cid:3:5"},
        {"cid:4294967294:0-4294967294", "cid:4294967294:0-4294967294"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[ACCESS_TEXT_BYTES];
        struct access_rule rule = rule_of(cases[i].word);
        cr_expect_eq(access_format(&rule, text), strlen(cases[i].text));
        cr_expect_str_eq(text, cases[i].text, "%s: %s", cases[i].word, text);
        cr_expect_eq(rule.line, 0u);
    }
}

#define NONE(word)                                                                            \
    {                                                                                         \
        word, "'" word "' is no address, and begins with none of 'uid:', 'gid:' and 'cid:'; " \
              "write one such as '10.0.0.0/8', '::1', 'uid:USER', 'gid:GROUP' or 'cid:CID'"   \
    }
#define LENGTH(bits, word, max)                                                                  \
    {                                                                                            \
        word, "'" bits "' in '" word "' is no length of a prefix; give a number from 0 to " #max \
    }
#define BITS(word, network, address)                                    \
    {                                                                   \
        word, "'" word "' has bits behind its prefix; write '" network  \
              "' for the network, or '" address "' for the one address" \
    }
#define CID(cid, word)                                                                       \
    {                                                                                        \
        word, "'" cid "' in '" word "' is no CID; give a number, 'any', 'local', 'host' or " \
              "'hypervisor'"                                                                 \
    }
#define PORTS(ports, word)                                                    \
    {                                                                         \
        word, "'" ports "' in '" word                                         \
              "' are no ports; give one, or FIRST-LAST, from 0 to 4294967294" \
    }

Test(access, says_what_is_wrong)
{
    static const struct {
        const char *word;
        const char *error;
    } cases[] = {
        NONE("localhost"),
        NONE("[::1]"),
        NONE("fe80::1%lo"),
        NONE("10.0.0"),
        NONE("010.0.0.1"),
        NONE("10.0.0.1:80"),
        NONE("/8"),
        NONE(""),
        NONE("UID:0"),
        NONE("tcp:10.0.0.1"),
        NONE("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"),
        LENGTH("33", "10.0.0.0/33", 32),
        LENGTH("129", "::/129", 128),
        LENGTH("", "10.0.0.0/", 32),
        LENGTH("-1", "10.0.0.0/-1", 32),
        LENGTH("+1", "::/+1", 128),
        LENGTH("8/8", "10.0.0.0/8/8", 32),
        LENGTH("255.0.0.0", "10.0.0.0/255.0.0.0", 32),
        LENGTH("4294967304", "10.0.0.0/4294967304", 32),
        LENGTH("18446744073709551624", "10.0.0.0/18446744073709551624", 32),
        BITS("10.0.0.1/8", "10.0.0.0/8", "10.0.0.1"),
        BITS("10.0.0.1/31", "10.0.0.0/31", "10.0.0.1"),
        BITS("2001:db8::1/32", "2001:db8::/32", "2001:db8::1"),
        BITS("::ffff:0:0/90", "::ffc0:0:0/90", "::ffff:0:0"),
        {"uid:vsluice-nobody-x",
         "'vsluice-nobody-x' is no user of this system; name one that exists"},
        {"gid:vsluice-nobody-x",
         "'vsluice-nobody-x' is no group of this system; name one that exists"},
        {"uid:", "'' is no user of this system; name one that exists"},
        {"uid:4294967295", "'4294967295' is no number of a user; one is at most 4294967294"},
        CID("", "cid:"),
        CID("", "cid::5"),
        CID("x", "cid:x"),
        CID("//3", "cid://3"),
        CID("4294967296", "cid:4294967296:1"),
        PORTS("", "cid:3:"),
        PORTS("-", "cid:3:-"),
        PORTS("5-", "cid:3:5-"),
        PORTS("-5", "cid:3:-5"),
        PORTS("5-4", "cid:3:5-4"),
        PORTS("1-2-3", "cid:3:1-2-3"),
        PORTS("4294967295", "cid:3:4294967295"),
        PORTS("1:2", "cid:3:1:2"),
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char error[ACCESS_ERROR_BYTES] = "";
        struct access_rule rule = {.line = 4711};
        cr_expect_eq(access_parse(cases[i].word, &rule, error), -EINVAL, "%s", cases[i].word);
        cr_expect_str_eq(error, cases[i].error, "%s: %s", cases[i].word, error);
        cr_expect_eq(rule.line, 4711u);
    }
}

static struct access_peer tcp_of(const char *text)
{
    struct address address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.storage;
    struct access_peer peer;

    address.storage.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (address.storage.ss_family == AF_INET)
        cr_assert_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    else
        cr_assert_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    cr_assert(access_peer_of_address(&address, &peer));
    return peer;
}

static struct access_peer vsock_of(uint32_t cid, uint32_t port)
{
    struct address address = {0};
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&address.storage;
    struct access_peer peer;

    vm->svm_family = AF_VSOCK;
    vm->svm_cid = cid;
    vm->svm_port = port;
    cr_assert(access_peer_of_address(&address, &peer));
    return peer;
}

static const gid_t groups[] = {20, 30};

static struct access_peer unix_of(uid_t uid, gid_t gid)
{
    return (struct access_peer){
        .transport = TRANSPORT_UNIX,
        .uid = uid,
        .gid = gid,
        .groups = groups,
        .group_count = COUNT_OF(groups),
    };
}

/* Words with blanks between. */
static bool grants(const char *allow, const char *deny, struct access_peer peer)
{
    const char *texts[2] = {allow, deny};
    struct access_rule rules[2][8];
    struct access_list lists[2] = {{rules[0], 0}, {rules[1], 0}};

    for (size_t i = 0; i < 2; i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s", texts[i]);
        for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
            rules[i][lists[i].count++] = rule_of(word);
    }
    return access_grants(&lists[0], &lists[1], &peer);
}

Test(access, denied_first_then_allowed)
{
    cr_expect(grants("", "", tcp_of("192.0.2.1")));
    cr_expect(grants("192.0.2.0/24", "", tcp_of("192.0.2.1")));
    cr_expect_not(grants("192.0.2.0/24", "", tcp_of("192.0.3.1")));
    cr_expect_not(grants("192.0.2.0/24", "192.0.2.1", tcp_of("192.0.2.1")));
    cr_expect(grants("192.0.2.0/24", "192.0.2.1", tcp_of("192.0.2.2")));
    cr_expect_not(grants("192.0.2.1", "192.0.2.0/24", tcp_of("192.0.2.1")));
    cr_expect_not(grants("", "192.0.2.1", tcp_of("192.0.2.1")));
    cr_expect(grants("", "192.0.2.1", tcp_of("192.0.2.2")));
    cr_expect(grants("198.51.100.1 ::1 192.0.2.1", "", tcp_of("192.0.2.1")));
}

Test(access, a_list_for_others)
{
    cr_expect_not(grants("10.0.0.0/8", "", unix_of(0, 0)));
    cr_expect_not(grants("uid:0 cid:any", "", tcp_of("127.0.0.1")));
    cr_expect_not(grants("uid:0 0.0.0.0/0 ::/0", "", vsock_of(3, 0)));
    cr_expect(grants("", "0.0.0.0/0 ::/0 cid:any", unix_of(0, 0)));
    cr_expect(grants("", "uid:0 gid:0 cid:any", tcp_of("127.0.0.1")));
    cr_expect(grants("", "uid:0 gid:0 0.0.0.0/0 ::/0", vsock_of(0, 0)));
}

Test(access, families_do_not_mix_and_mapped_ones_are_ipv4)
{
    cr_expect(grants("127.0.0.0/8", "", tcp_of("::ffff:127.0.0.2")));
    cr_expect(grants("0.0.0.0/0", "", tcp_of("::ffff:127.0.0.2")));
    cr_expect(grants("::ffff:127.0.0.0/104", "", tcp_of("127.0.0.2")));
    cr_expect_not(grants("::/0", "", tcp_of("127.0.0.2")));
    cr_expect_not(grants("::/0", "", tcp_of("::ffff:127.0.0.2")));
    cr_expect(grants("::/0", "", tcp_of("::1")));
    cr_expect_not(grants("0.0.0.0/0", "", tcp_of("::1")));
    cr_expect_not(grants("0.0.0.1", "", tcp_of("::1")));
    cr_expect(grants("2001:db8::/33", "", tcp_of("2001:db8:7fff::1")));
    cr_expect_not(grants("2001:db8::/33", "", tcp_of("2001:db8:8000::1")));
}

Test(access, users_and_groups)
{
    cr_expect(grants("uid:10", "", unix_of(10, 11)));
    cr_expect_not(grants("uid:11", "", unix_of(10, 11)));
    cr_expect_not(grants("gid:10", "", unix_of(10, 11)));
    cr_expect(grants("gid:11", "", unix_of(10, 11)));
    cr_expect(grants("gid:20", "", unix_of(10, 11)));
    cr_expect_not(grants("gid:11", "gid:30", unix_of(10, 11)));
    cr_expect_not(grants("gid:31", "", unix_of(10, 11)));
}

Test(access, cids_and_their_ports)
{
    cr_expect(grants("cid:3", "", vsock_of(3, VSOCK_PORT_ANY - 1)));
    cr_expect_not(grants("cid:3", "", vsock_of(4, 0)));
    cr_expect(grants("cid:any:0-1023", "", vsock_of(4, 0)));
    cr_expect(grants("cid:any:0-1023", "", vsock_of(4, 1023)));
    cr_expect_not(grants("cid:any:0-1023", "", vsock_of(4, 1024)));
    cr_expect(grants("cid:local:5", "", vsock_of(1, 5)));
    cr_expect_not(grants("cid:local:5", "", vsock_of(1, 4)));
    cr_expect_not(grants("cid:local:5", "", vsock_of(1, 6)));
}

Test(access, a_unix_address_tells_nobody)
{
    struct address address = {.storage.ss_family = AF_UNIX, .length = 2};
    struct access_peer peer;

    cr_expect_not(access_peer_of_address(&address, &peer));
}

Test(access, groups_are_asked_for_where_a_word_wants_them)
{
    struct access_rule rules[] = {rule_of("uid:0"), rule_of("gid:0")};

    cr_expect_not(access_asks_groups(&(struct access_list){NULL, 0}));
    cr_expect_not(access_asks_groups(&(struct access_list){rules, 1}));
    cr_expect(access_asks_groups(&(struct access_list){rules, 2}));
}
