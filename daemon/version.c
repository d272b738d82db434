/* The libraries are those that the process runs with, which need not be those that it was built
 * with. The versions tested are what tests/releases ran with, as README.md has them. */
#include "version.h"

#include <curl/curl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>

static void print(const char *name, const char *version, const char *tested)
{
    printf("%s %s (tested with %s)\n", name, version, tested);
}

void version_print(void)
{
    printf("penstockd %s\n", PENSTOCK_VERSION);
    print("libcurl", curl_version_info(CURLVERSION_NOW)->version,
          "7.88.1, 8.5.0, 8.12.1, 8.14.1, 8.18.0, 8.22.0");
    print("libuv", uv_version_string(), "1.44.2, 1.50.0, 1.53.0");
    print("SQLite", sqlite3_libversion(), "3.40.1, 3.46.1, 3.53.4");
}
