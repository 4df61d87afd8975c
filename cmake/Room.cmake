# Words for the rooms' CMakeLists: room, program, room_test, room_sql, room_files.

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

# program_documents(NAME): installs it with its manual page and completions, which it prints itself.
function(program_documents name)
  include(GNUInstallDirs)
  set(out ${CMAKE_BINARY_DIR}/documents)
  set(files)
  foreach(document "manual;${name}.1;${CMAKE_INSTALL_MANDIR}/man1"
      "completion bash;${name};${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
      "completion zsh;_${name};${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions"
      "completion fish;${name}.fish;${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
    list(GET document 0 words)
    list(GET document 1 file)
    list(GET document 2 directory)
    separate_arguments(words)
    list(APPEND files ${out}/${file})
    add_custom_command(OUTPUT ${out}/${file} COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND ${name} ${words} > ${out}/${file} DEPENDS ${name} VERBATIM)
    install(FILES ${out}/${file} DESTINATION ${directory})
  endforeach()
  add_custom_target(${name}-documents ALL DEPENDS ${files})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
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

# room_strings(TARGET HEADER PREFIX files...): the files become strings in HEADER.h.
function(room_strings target header prefix)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/strings/${header}.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DPREFIX=${prefix} "-DFILES=${ARGN}" -P ${CMAKE_SOURCE_DIR}/cmake/Strings.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/Strings.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/strings)
endfunction()

# room_sql(TARGET NAME): sql/*.sql become the strings of NAME.h: sql/add_item.sql is SQL_ADD_ITEM.
function(room_sql target name)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sql/*.sql)
  room_strings(${target} ${name} SQL ${files})
endfunction()

# room_manual(TARGET): manual.mdoc, the hand-written end of a manual page, is TEXT_MANUAL of manual_text.h.
function(room_manual target)
  room_strings(${target} manual_text TEXT ${CMAKE_CURRENT_SOURCE_DIR}/manual.mdoc)
  if(HW9_DOCUMENTS)
    program_documents(${target})
  endif()
endfunction()

# room_files(TARGET NAME path file path file ...): files that are served become NAME, a table of
# struct http_file that NAME.h of the room declares.
function(room_files target name)
  set(files "")
  set(sources "")
  while(ARGN)
    list(POP_FRONT ARGN path file)
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND files ${path} ${file})
    list(APPEND sources ${file})
  endwhile()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  file(RELATIVE_PATH header ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${name}.h)
  string(REGEX REPLACE "s$" "_count" count ${name})
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} -DCOUNT=${count} -DHEADER=${header}
      "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/Files.cmake
    DEPENDS ${sources} ${CMAKE_SOURCE_DIR}/cmake/Files.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
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
