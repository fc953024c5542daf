/* The owner of a file as chown(1) takes it: USER, USER:GROUP, :GROUP, by name or number;
 * and each alone. */
#pragma once

#include <sys/types.h>

#define OWNER_ERROR_BYTES 256

/* What is not named is (uid_t)-1 or (gid_t)-1. Returns 0; -EINVAL with a sentence in `error`: not
 * of that form, or no such user or group; -ENOMEM. */
int owner_parse(const char *text, uid_t *ret_uid, gid_t *ret_gid,
                char error[static OWNER_ERROR_BYTES]);

/* One user or group. Returns and errors as above. */
int owner_user_parse(const char *text, uid_t *ret, char error[static OWNER_ERROR_BYTES]);
int owner_group_parse(const char *text, gid_t *ret, char error[static OWNER_ERROR_BYTES]);
