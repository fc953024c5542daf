/* Owners: names of this system's databases, and numbers that need not be there. */
#include "config/owner.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY          ((uid_t)-1)
#define NO_GROUP        ((gid_t)-1)

Test(owner, reads_users_and_groups)
{
    static const struct {
        const char *text;
        uid_t uid;
        gid_t gid;
    } cases[] = {
        {"root", 0, NO_GROUP},
        {"root:root", 0, 0},
        {":root", NOBODY, 0},
        {"daemon:0", 1, 0},
        {"0:daemon", 0, 1},
        {"12345:54321", 12345, 54321},
        {"4294967294", 4294967294, NO_GROUP},
        {":4294967294", NOBODY, 4294967294},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uid_t uid = 4711;
        gid_t gid = 4711;
        char error[OWNER_ERROR_BYTES] = "";
        cr_expect_eq(owner_parse(cases[i].text, &uid, &gid, error), 0, "%s: %s", cases[i].text,
                     error);
        cr_expect_eq(uid, cases[i].uid, "%s", cases[i].text);
        cr_expect_eq(gid, cases[i].gid, "%s", cases[i].text);
    }
}

Test(owner, says_what_is_wrong)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"vsluice-nobody-x", "'vsluice-nobody-x' is no user of this system; name one that exists"},
        {"root:vsluice-nobody-x",
         "'vsluice-nobody-x' is no group of this system; name one that exists"},
        {":vsluice-nobody-x",
         "'vsluice-nobody-x' is no group of this system; name one that exists"},
        {"root:", "'root:' has no group behind the ':'; write 'USER', 'USER:GROUP' or ':GROUP'"},
        {":", "':' has no group behind the ':'; write 'USER', 'USER:GROUP' or ':GROUP'"},
        {"root:root:root", "'root:root' is no group of this system; name one that exists"},
        {"4294967295", "'4294967295' is no number of a user; one is at most 4294967294"},
        {"0:99999999999999999999",
         "'99999999999999999999' is no number of a group; one is at most 4294967294"},
        {"-1", "'-1' is no user of this system; name one that exists"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "x"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         "'xxxxxxxxxxxxxxxxxxxx...' is too long for the name of a user"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uid_t uid = 4711;
        gid_t gid = 4711;
        char error[OWNER_ERROR_BYTES] = "";
        cr_expect_eq(owner_parse(cases[i].text, &uid, &gid, error), -EINVAL, "%s", cases[i].text);
        cr_expect_str_eq(error, cases[i].error, "%s: %s", cases[i].text, error);
        cr_expect(uid == 4711 && gid == 4711, "'%s' touched its output", cases[i].text);
    }
}
