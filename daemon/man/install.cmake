# Included by the top CMakeLists.txt.
foreach(page libpenstock.3 penstockctl.1 penstock-parser.3 penstockd.conf.5 penstock.7
        penstock-fleet.7 penstock-formats.7 penstock-operations.7 penstock-protocol.7 penstockd.8)
    string(REGEX MATCH "[0-9]$" section ${page})
    set(component penstock)
    if(section EQUAL 3)
        set(component Development)
    endif()
    install(FILES ${CMAKE_CURRENT_LIST_DIR}/${page}
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/config/completions/penstockctl.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME penstockctl)
install(FILES ${CMAKE_SOURCE_DIR}/config/completions/_penstockctl
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${CMAKE_SOURCE_DIR}/config/completions/penstockctl.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
