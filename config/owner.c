/* Users and groups, from numbers and from the system's databases. */
#include "config/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES           128
#define DATABASE_BYTES_FIRST 4096
#define DATABASE_BYTES_MAX   (16 * 1024 * 1024)

/* Looks a name up with room for the entry. 0; -ENOENT; -ERANGE: more room is needed; other errors.
 */
typedef int database_lookup(const char *name, char *room, size_t bytes, uint32_t *ret_id);

static int user_lookup(const char *name, char *room, size_t bytes, uint32_t *ret_id)
{
    struct passwd entry;
    struct passwd *found;
    int error = getpwnam_r(name, &entry, room, bytes, &found);

    if (!found)
        return error ? -error : -ENOENT;
    *ret_id = found->pw_uid;
    return 0;
}

static int group_lookup(const char *name, char *room, size_t bytes, uint32_t *ret_id)
{
    struct group entry;
    struct group *found;
    int error = getgrnam_r(name, &entry, room, bytes, &found);

    if (!found)
        return error ? -error : -ENOENT;
    *ret_id = found->gr_gid;
    return 0;
}

/* Looks a name up with as much room as its entry needs. */
static int database_find(database_lookup *lookup, const char *name, uint32_t *ret_id)
{
    int r = -ERANGE;

    for (size_t bytes = DATABASE_BYTES_FIRST; r == -ERANGE && bytes <= DATABASE_BYTES_MAX;
         bytes *= 2) {
        char *room = malloc(bytes);
        if (!room)
            return -ENOMEM;
        r = lookup(name, room, bytes, ret_id);
        free(room);
    }
    return r;
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* `what` is "user" or "group". A number need not be in the database. */
static int id_parse(const char *text, size_t length, const char *what, database_lookup *lookup,
                    uint32_t *ret_id, char *error)
{
    char name[NAME_BYTES];

    if (length >= sizeof(name)) {
        snprintf(error, OWNER_ERROR_BYTES, "'%.20s...' is too long for the name of a %s", text,
                 what);
        return -EINVAL;
    }
    snprintf(name, sizeof(name), "%.*s", (int)length, text);
    if (is_number(name)) {
        unsigned long long id = strtoull(name, NULL, 10);
        if (id >= UINT32_MAX) {
            snprintf(error, OWNER_ERROR_BYTES, "'%s' is no number of a %s; one is at most %u", name,
                     what, UINT32_MAX - 1);
            return -EINVAL;
        }
        *ret_id = (uint32_t)id;
        return 0;
    }
    int r = database_find(lookup, name, ret_id);
    if (r == 0 || r == -ENOMEM)
        return r;
    snprintf(error, OWNER_ERROR_BYTES, "'%s' is no %s of this system; name one that exists", name,
             what);
    return -EINVAL;
}

int owner_parse(const char *text, uid_t *ret_uid, gid_t *ret_gid,
                char error[static OWNER_ERROR_BYTES])
{
    size_t user_length = strcspn(text, ":");
    const char *group = text[user_length] ? text + user_length + 1 : NULL;
    uint32_t uid = (uid_t)-1;
    uint32_t gid = (gid_t)-1;
    int r = 0;

    if (group && !*group) {
        snprintf(error, OWNER_ERROR_BYTES,
                 "'%.100s' has no group behind the ':'; write 'USER', 'USER:GROUP' or ':GROUP'",
                 text);
        return -EINVAL;
    }
    if (user_length > 0)
        r = id_parse(text, user_length, "user", user_lookup, &uid, error);
    if (r == 0 && group)
        r = id_parse(group, strlen(group), "group", group_lookup, &gid, error);
    if (r < 0)
        return r;
    *ret_uid = uid;
    *ret_gid = gid;
    return 0;
}

int owner_user_parse(const char *text, uid_t *ret, char error[static OWNER_ERROR_BYTES])
{
    return id_parse(text, strlen(text), "user", user_lookup, ret, error);
}

int owner_group_parse(const char *text, gid_t *ret, char error[static OWNER_ERROR_BYTES])
{
    return id_parse(text, strlen(text), "group", group_lookup, ret, error);
}
