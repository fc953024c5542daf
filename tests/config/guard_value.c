/* `user` and `sandbox` of [global]: what is read, and their mistakes with the exact words. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

static void expect_guard(const char *text, uid_t uid, gid_t gid, bool sandbox)
{
    struct scratch_result result = scratch_read_text(text, NULL, 0);
    char *problems = scratch_problems(&result);

    cr_expect_str_eq(problems, "", "%s", text);
    cr_expect_eq(result.config->user_uid, uid, "%s", text);
    cr_expect_eq(result.config->user_gid, gid, "%s", text);
    cr_expect_eq(result.config->sandbox, sandbox, "%s", text);
    free(problems);
    scratch_free(&result);
}

Test(guard_value, read)
{
    expect_guard("", (uid_t)-1, (gid_t)-1, true);
    expect_guard("[global]\nuser = daemon\nsandbox = no\n", 1, 1, false);
    expect_guard("[global]\nuser = 1\nsandbox = yes\n", 1, 1, true);
    expect_guard("[global]\nuser = 4711:12\n", 4711, 12, true);
    expect_guard("[global]\nuser = daemon:root\n", 1, 0, true);
    expect_guard("[global]\nuser = root\n", 0, 0, true);
}

Test(guard_value, mistakes)
{
    static const struct scratch_mistake cases[] = {
        {"[global]\nuser = vsluice-nobody-x\n",
         AT(2) "'vsluice-nobody-x' is no user of this system; name one that exists\n"},
        {"[global]\nuser = 4711\n",
         AT(2) "'4711' is no user of this system; name its group too: '4711:GROUP'\n"},
        {"[global]\nuser = :root\n",
         AT(2) "':root' of 'user' names no user; write 'USER' or 'USER:GROUP'\n"},
        {"[global]\nuser = root:daemon\n",
         AT(2) "'root:daemon' of 'user' names a group for root, who stays as they are; write "
               "'root'\n"},
        {"[global]\nuser =\nsandbox = maybe\n",
         AT(2) "'user' is empty; give it 'USER' or 'USER:GROUP', by name or number\n" AT(
             3) "'maybe' is no value of 'sandbox'; give it yes or no\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\nuser = daemon\n",
         AT(4) "'user' is no key of [route NAME]; it belongs in [global]\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}
