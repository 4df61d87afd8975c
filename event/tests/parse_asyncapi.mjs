// Reads event/asyncapi.json by AsyncAPI's own parser, and prints what it found as JSON: for
// test_asyncapi.py. The argument is where the parser is installed.
import { createRequire } from 'node:module'
import { argv } from 'node:process'

const { Parser, fromFile } = createRequire(`${argv[2]}/`)('@asyncapi/parser')
const { document, diagnostics } = await fromFile(new Parser(), argv[3]).parse()
const types = {}
for (const message of document?.messages().all() ?? []) {
  types[message.name()] = { headers: message.headers().json(), payload: message.payload().json() }
}
console.log(JSON.stringify({ diagnostics, types }))
