# Included by the top CMakeLists.txt: what makes a service of it.
set(PENSTOCK_SYSTEMDDIR lib CACHE STRING "Where systemd/system, sysusers.d and systemd/catalog are")
foreach(unit penstockd.socket penstockd.service builtins-only.conf)
    configure_file(${CMAKE_CURRENT_LIST_DIR}/${unit}.in ${CMAKE_BINARY_DIR}/systemd/${unit} @ONLY)
endforeach()
# config/etc_install.cmake puts it where AppArmor looks.
configure_file(${CMAKE_CURRENT_LIST_DIR}/penstockd.apparmor.in ${CMAKE_BINARY_DIR}/systemd/${PENSTOCK_APPARMOR_NAME} @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/systemd/penstockd.socket ${CMAKE_BINARY_DIR}/systemd/penstockd.service
    DESTINATION ${PENSTOCK_SYSTEMDDIR}/systemd/system)
install(FILES ${CMAKE_BINARY_DIR}/systemd/builtins-only.conf ${CMAKE_CURRENT_LIST_DIR}/stages.conf
    DESTINATION ${CMAKE_INSTALL_DATADIR}/penstock/systemd)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/penstock.sysusers DESTINATION ${PENSTOCK_SYSTEMDDIR}/sysusers.d RENAME penstock.conf)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/penstock.catalog DESTINATION ${PENSTOCK_SYSTEMDDIR}/systemd/catalog)
