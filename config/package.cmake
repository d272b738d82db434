# Included by the top CMakeLists.txt, last: `cpack` makes two packages for Debian from a build whose prefix is /usr
# (cmake -DCMAKE_INSTALL_PREFIX=/usr), as the programs know where their files will be.
#   penstock      the daemon and its client      penstock-dev  what plug-ins and clients are built with
#   penstock-postgresql  the module for a store in PostgreSQL
#   libpenstock0  the library for clients            python3-penstock  the same in Python
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(CPACK_GENERATOR DEB)
else()
    set(CPACK_GENERATOR "NONE-configure-with-CMAKE_INSTALL_PREFIX=/usr")
endif()
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL penstock Library Development Python)
if(PENSTOCK_POSTGRESQL)
    list(APPEND CPACK_COMPONENTS_ALL PostgreSQL)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(PENSTOCK_MAINTAINER "penstock maintainers <penstock@packages.example.org>" CACHE STRING
    "Who answers for the Debian packages that cpack makes: NAME <ADDRESS>")
set(CPACK_PACKAGE_CONTACT "${PENSTOCK_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "streams HTTP bodies into blocking parsers")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PENSTOCK_PACKAGE_NAME penstock)
set(CPACK_DEBIAN_PENSTOCK_DESCRIPTION "A daemon downloads URLs and streams each body, under backpressure, into a
parser of its own: a built-in one, a plug-in or a pipeline of processes. What
the parsers find goes to its log as JSON lines.
.
Memory is bounded whatever the body's size, a download that was cut never
passes for a complete one, and the queue survives a crash.")
set(CPACK_DEBIAN_PENSTOCK_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PENSTOCK_PACKAGE_DEPENDS
    "systemd | systemd-standalone-sysusers | systemd-sysusers, init-system-helpers (>= 1.62)")
set(CPACK_DEBIAN_PENSTOCK_PACKAGE_RECOMMENDS "ca-certificates, logrotate")
set(CPACK_DEBIAN_PENSTOCK_PACKAGE_SUGGESTS "penstock-dev")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libpenstock0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "URLs as files, through penstockd: the library of its clients. What is read ends
only where the whole body has arrived.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "penstock")

set(CPACK_DEBIAN_POSTGRESQL_PACKAGE_NAME penstock-postgresql)
set(CPACK_DEBIAN_POSTGRESQL_DESCRIPTION "The queue of penstockd in a PostgreSQL database: a module that the daemon loads
where its config has store.engine = postgresql.")
set(CPACK_DEBIAN_POSTGRESQL_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_POSTGRESQL_PACKAGE_DEPENDS "penstock (= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-penstock)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_DESCRIPTION "URLs as descriptors, through penstockd: for asyncio and without. Pipelines of
processes whose stages never take a cut for an end, jobs, records, schedules.")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.9)")
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "penstock")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME penstock-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "What plug-ins for penstockd, and its clients, are built with: the headers, a
CMake package and pkg-config files.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libc6-dev, libpenstock0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "penstock")

# What maintains the installed package; the list of what is the administrator's in /etc follows from what is staged.
set(debian ${CMAKE_BINARY_DIR}/debian)
configure_file(config/debian/changelog ${debian}/changelog @ONLY)
file(READ LICENSE license)
string(REGEX REPLACE "^MIT License\n\nCopyright[^\n]*\n\n" "" license "${license}")
string(STRIP "${license}" license)
string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
string(REGEX REPLACE "\n" "\n " license "${license}")
file(READ config/debian/copyright copyright)
file(CONFIGURE OUTPUT ${debian}/copyright CONTENT "${copyright} ${license}\n" @ONLY)
set(CPACK_DEBIAN_PENSTOCK_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/config/debian/postinst
    ${CMAKE_SOURCE_DIR}/config/debian/prerm ${CMAKE_SOURCE_DIR}/config/debian/postrm ${debian}/conffiles)
# The linker's cache is renewed by a trigger, as Debian wants it; cpack alone would call ldconfig in scripts.
file(WRITE ${debian}/triggers "activate-noawait ldconfig\n")
file(WRITE ${debian}/shlibs "libpenstock 0 libpenstock0 (>= ${PROJECT_VERSION})\n")
foreach(script postinst postrm)
    file(CONFIGURE OUTPUT ${debian}/library/${script} CONTENT "#!/bin/sh\nset -e\n")
endforeach()
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${debian}/triggers ${debian}/shlibs ${debian}/library/postinst
    ${debian}/library/postrm)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/config/package_stage.cmake)
set(CPACK_PENSTOCK_DEBIAN ${debian})
set(CPACK_PENSTOCK_SYSTEMD ${SYSTEMD_VERSION})
include(CPack)
