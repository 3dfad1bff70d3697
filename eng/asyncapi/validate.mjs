// Checks an AsyncAPI document with the parser that AsyncAPI's own tools use: node validate.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const words = ['error', 'warning', 'information', 'hint'];
// Advice on what a document might say too is no fault of it.
const faults = diagnostics.filter((d) => d.severity <= 1);
for (const d of faults) console.log(`${words[d.severity]} ${d.path.join('.')}: ${d.message} (${d.code})`);
if (document) console.log(`${document.allChannels().length} channels, ${document.allMessages().length} messages`);
process.exit(faults.length > 0 || !document ? 1 : 0);
