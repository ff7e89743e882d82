// Reads the catalogue of a running Machi with the parser of Thorium Reader, from the root to the bytes of each chapter:
//   npm install --no-save --ignore-scripts r2-opds-js@1.0.47
//   node examples/opds/read.cjs http://127.0.0.1:5000/api/opds       (OPDS 1.2)
//   node examples/opds/read.cjs http://127.0.0.1:5000/api/opds/v2    (OPDS 2.0)
const { DOMParser } = require('@xmldom/xmldom');
const { TaJsonDeserialize } = require('r2-lcp-js/dist/es8-es2017/src/serializable');
const { convertOpds1ToOpds2 } = require('r2-opds-js/dist/es8-es2017/src/opds/converter');
const { initGlobalConverters_OPDS } = require('r2-opds-js/dist/es8-es2017/src/opds/init-globals');
const { OPDS } = require('r2-opds-js/dist/es8-es2017/src/opds/opds1/opds');
const { OPDSFeed } = require('r2-opds-js/dist/es8-es2017/src/opds/opds2/opds2');
const { initGlobalConverters_GENERIC } = require('r2-shared-js/dist/es8-es2017/src/init-globals');
const { XML } = require('r2-utils-js/dist/es8-es2017/src/_utils/xml-js-mapper');

const ACQUISITION = 'http://opds-spec.org/acquisition/open-access';
const STREAM = 'http://vaemendis.net/opds-pse/stream';

initGlobalConverters_OPDS();
initGlobalConverters_GENERIC();
const root = process.argv[2] ?? 'http://127.0.0.1:5000/api/opds/v2';
const at = (href) => new URL(href, root).href;
const find = (links, rel) => (links ?? []).find(({ Rel }) => Rel?.includes(rel));

async function readFeed(url) {
  const answer = await fetch(url);
  if (answer.headers.get('content-type').includes('json')) return TaJsonDeserialize(await answer.json(), OPDSFeed);
  const document = new DOMParser().parseFromString(await answer.text(), 'application/xml');
  return convertOpds1ToOpds2(XML.deserialize(document, OPDS));
}

async function printFile(name, href) {
  const answer = await fetch(at(href));
  const { byteLength } = await answer.arrayBuffer();
  console.log(`    ${name}: ${answer.status} ${answer.headers.get('content-type')}, ${byteLength} bytes`);
}

async function main() {
  const { Metadata, Navigation } = await readFeed(root);
  console.log(Metadata.Title);
  for (const { Title, Href } of (await readFeed(at(Navigation[0].Href))).Navigation) {
    console.log(`  ${Title}`);
    for (const { Metadata: chapter, Links, Images } of (await readFeed(at(Href))).Publications ?? []) {
      console.log(`  - ${chapter.Title}`);
      await printFile('download', find(Links, ACQUISITION).Href);
      for (const { Href: image } of Images) await printFile('cover', image);
      const stream = find(Links, STREAM)?.Href;
      if (stream) await printFile('page 2', stream.replace('{pageNumber}', '1').replace('{maxWidth}', '800'));
    }
  }
}

main();
