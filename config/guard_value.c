/* As whom vsluice runs, and what it forbids itself. */
#include "config/owner.h"
#include "config/value.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#define PROBLEM(draft, ...) draft_problem(draft, &(draft)->place, __VA_ARGS__)

/* Of a user that is named without a group. False: none is known, and that was told. */
static bool group_find(struct draft *draft, const char *value, uid_t uid, gid_t *ret)
{
    const struct passwd *entry = getpwuid(uid);

    if (entry)
        *ret = entry->pw_gid;
    else
        PROBLEM(draft, "'%s' is no user of this system; name its group too: '%s:GROUP'", value,
                value);
    return entry != NULL;
}

void user_set(struct draft *draft, const char *value)
{
    char error[OWNER_ERROR_BYTES];
    uid_t uid;
    gid_t gid;
    int r = owner_parse(value, &uid, &gid, error);

    if (r == -ENOMEM) {
        draft->exhausted = true;
        return;
    }
    if (r < 0) {
        PROBLEM(draft, "%s", error);
        return;
    }
    if (uid == (uid_t)-1) {
        PROBLEM(draft, "'%s' of 'user' names no user; write 'USER' or 'USER:GROUP'", value);
        return;
    }
    if (uid == 0 && gid != (gid_t)-1) {
        PROBLEM(draft, "'%s' of 'user' names a group for root, who stays as they are; write 'root'",
                value);
        return;
    }
    if (gid == (gid_t)-1 && !group_find(draft, value, uid, &gid))
        return;
    draft->config->user_uid = uid;
    draft->config->user_gid = gid;
}

void sandbox_set(struct draft *draft, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        PROBLEM(draft, "'%s' is no value of '%s'; give it %s", value, draft->key->name,
                draft->key->form);
    draft->config->sandbox = yes;
}
