# Included by the top CMakeLists.txt: what the administrator may edit. It is in /etc for the prefixes /usr and
# /usr/local, and below any other one; PENSTOCK_SYSCONFDIR, which the programs are told, follows the prefix of the
# configuration. A file that is there already is somebody's, and stays.
set(PENSTOCK_SYSCONFDIR ${CMAKE_INSTALL_FULL_SYSCONFDIR})
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$" AND CMAKE_INSTALL_SYSCONFDIR STREQUAL "etc")
    set(PENSTOCK_SYSCONFDIR /etc)
endif()
# AppArmor's profiles are named after their program.
string(REGEX REPLACE "^/" "" PENSTOCK_APPARMOR_NAME "${CMAKE_INSTALL_FULL_SBINDIR}/penstockd")
string(REPLACE "/" "." PENSTOCK_APPARMOR_NAME "${PENSTOCK_APPARMOR_NAME}")
install(CODE "set(sysconfdir \"${CMAKE_INSTALL_SYSCONFDIR}\")
set(source \"${CMAKE_SOURCE_DIR}\")
set(apparmor \"${CMAKE_BINARY_DIR}/systemd/${PENSTOCK_APPARMOR_NAME}\")" COMPONENT ${CMAKE_INSTALL_DEFAULT_COMPONENT_NAME})
install(SCRIPT config/etc_install.cmake COMPONENT ${CMAKE_INSTALL_DEFAULT_COMPONENT_NAME})
