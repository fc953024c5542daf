/* Why a connection failed, in a sentence with what to do about it. */
#pragma once

#include "perf/connection.h"

/* welcome: the server had answered the header. Of CONNECTION_DONE there is nothing to tell. */
void failure_describe(enum connection_end end, bool welcome, int error,
                      char text[static RESULT_TEXT_BYTES]);
