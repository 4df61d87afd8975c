# Turns a text file into a C string: FILE into NAME of the header OUT.
file(READ ${FILE} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n\t\"" text "${text}")
file(WRITE ${OUT} "/* Made by cmake/Document.cmake. */\n#pragma once\nstatic const char ${NAME}[] =\n\t\"${text}\";\n")
