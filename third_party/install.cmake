# cmake --install, and what find_package(tsugi) reads afterwards.
#
# Public headers name no third-party header, so a shared libtsugi needs nothing else. A static one is linked with the
# libraries that it was built with, by their paths.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tsugi)

foreach(dep IN LISTS TSUGI_DEPS)
  target_link_libraries(tsugi PRIVATE $<BUILD_INTERFACE:${dep}>)
endforeach()
foreach(link IN LISTS TSUGI_INSTALLED_LINKS)
  target_link_libraries(tsugi PRIVATE $<INSTALL_INTERFACE:${link}>)
endforeach()

set_target_properties(tsugi PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
install(TARGETS tsugi EXPORT tsugiTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY kernels/api DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tsugi/kernels FILES_MATCHING PATTERN "*.h")
install(DIRECTORY engine DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tsugi FILES_MATCHING PATTERN "*.h"
  PATTERN "json_value.h" EXCLUDE)  # it names the JSON library
install(EXPORT tsugiTargets NAMESPACE tsugi:: DESTINATION ${package_dir} FILE tsugiConfig.cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tsugiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tsugiConfigVersion.cmake DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/tsugi)
