/* The text of routes that are to be added to a running vsluice. */
#pragma once

/* What stands in a file; "-": on standard input. 0: *ret is to be freed; else it was told, and this
 * is the exit status. */
int added_text_read(const char *path, char **ret);

/* The section of LISTEN=TARGET; name NULL: one that is made of what it listens on. Returns as
 * above. */
int added_text_of_route(const char *route, const char *name, char **ret);
