// Runs the suite of stompjs 4 under QUnit, and prints a line for each test: `passed NAME` or `failed NAME: why`.
//
//     node qunit_lines.js DIRECTORY URL
//
// The directory is that of the package. What the suite prints itself goes to standard error.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const [directory, url] = process.argv.slice(2);
const require_there = createRequire(path.join(directory, 'package.json'));
const say = (line) => fs.writeSync(1, `${line}\n`);
console.log = console.error;

const QUnit = require_there('qunit');
global.QUnit = QUnit;
QUnit.config.autostart = false;
QUnit.config.testTimeout = 10000;
// Two tests share a topic, and each must hear only its own messages.
QUnit.config.reorder = false;
QUnit.on('testEnd', (test) => {
  const why = test.errors.map((error) => `${error.message || 'not equal'}: ${error.actual}`).join('; ');
  const name = test.fullName.join('.');
  say(test.status === 'passed' ? `passed ${name}` : `failed ${name}: ${why.replace(/\s+/g, ' ').slice(0, 200)}`);
});
// Connections that tests have left open do not keep us.
QUnit.on('runEnd', (run) => process.exit(run.status === 'passed' ? 0 : 1));

const suite = path.join(directory, 'tests');
require_there(path.join(suite, 'config', 'node-config.js'));
global.TEST.url = url;
for (const file of fs.readdirSync(path.join(suite, 'unit')).sort()) require_there(path.join(suite, 'unit', file));
QUnit.start();
