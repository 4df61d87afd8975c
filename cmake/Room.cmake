# Words for the rooms' CMakeLists: room, program, room_test, room_sql.

set(HW9_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wpointer-arith -Wvla)
if(HW9_WERROR)
  list(APPEND HW9_WARNINGS -Werror)
endif()
set(HW9_C_WARNINGS -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings)

function(hw9_flags target)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE ${HW9_WARNINGS} -fno-omit-frame-pointer
    $<$<COMPILE_LANGUAGE:C>:${HW9_C_WARNINGS}>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
  if(HW9_SANITIZER)
    target_compile_options(${target} PRIVATE -fsanitize=${HW9_SANITIZER} -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${HW9_SANITIZER})
  endif()
endfunction()

# What is started: under ThreadSanitizer with threads that it can see.
function(hw9_executable target)
  hw9_flags(${target})
  if(HW9_SANITIZER MATCHES thread)
    target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support/c11_threads.c)
  endif()
endfunction()

# room(NAME sources... USES targets...): a library whose headers travel with the link line.
function(room name)
  cmake_parse_arguments(ROOM "" "" "USES" ${ARGN})
  add_library(${name} STATIC ${ROOM_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ROOM_USES} Threads::Threads)
  hw9_flags(${name})
endfunction()

# program(NAME sources... USES targets...): what a user starts.
function(program name)
  cmake_parse_arguments(PROGRAM "" "" "USES" ${ARGN})
  add_executable(${name} ${PROGRAM_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${PROGRAM_USES})
  hw9_executable(${name})
endfunction()

# room_test(NAME USES targets... [SOURCES extra...] [TIMEOUT s] [LABELS l]): tests/NAME.c is a cmocka program.
function(room_test name)
  if(NOT HW9_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "" "TIMEOUT" "USES;SOURCES;LABELS" ${ARGN})
  add_executable(${name} tests/${name}.c ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_USES} PkgConfig::CMOCKA)
  target_compile_definitions(${name} PRIVATE ROOM_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}")
  hw9_executable(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 60)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} LABELS "room;${TEST_LABELS}")
endfunction()

# room_sql(TARGET NAME): sql/*.sql become the strings of NAME.h: sql/add_item.sql is SQL_ADD_ITEM.
function(room_sql target name)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sql/*.sql)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/sql/${name}.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/SqlStrings.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/SqlStrings.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/sql)
endfunction()

# room_document(TARGET FILE NAME): FILE, a text beside the CMakeLists.txt, is the string NAME of NAME.h.
function(room_document target file name)
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/document/${name}.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DFILE=${in} -DNAME=${name} -DOUT=${out} -P ${CMAKE_SOURCE_DIR}/cmake/Document.cmake
    DEPENDS ${in} ${CMAKE_SOURCE_DIR}/cmake/Document.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/document)
endfunction()
