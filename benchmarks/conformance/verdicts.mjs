// Prints what the suite's own rules make of raw results: node verdicts.mjs PACKAGE < results.json
// The verdict of a test depends on its kind and on the tests it depends on; the package knows how.

import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const load = file => import(pathToFileURL(path.resolve(process.argv[2], file)))
const { determineTestResult } = await load('lib/display.mjs')
const suites = [...(await load('tests/index.mjs')).default,
  (await load('tests/surrogate-control.mjs')).default]
const results = JSON.parse(fs.readFileSync(0, 'utf8'))

const words = {
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup failed',
  '⁉️': 'harness failed',
  '⚪️': 'dependency failed',
  '↻': 'retried',
  '-': 'untested'
}

console.log(JSON.stringify(suites.flatMap(suite => suite.tests
  .filter(test => !test.browser_only)
  .map(test => ({
    suite: suite.name,
    id: test.id,
    name: test.name,
    kind: test.kind || 'required',
    verdict: words[determineTestResult(suites, test.id, results)[2]],
    message: Array.isArray(results[test.id]) ? results[test.id][1] : ''
  })))))
