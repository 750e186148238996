// The least one has to tell webpack: where to begin, where to write, for whom.
import webpack from 'webpack';

const folder = (name) => new URL(name, import.meta.url).pathname;

const stats = await new Promise((resolve, reject) => {
  const bundles = [
    { entry: './src/main.js', output: { path: folder('public') } },
    { entry: './src/server.js', output: { path: folder('server') }, target: 'node' },
    {
      entry: './src/server.js',
      output: { path: folder('external') },
      target: 'node',
      externals: { twindex: 'commonjs twindex', 'twindex/worker': 'commonjs twindex/worker' },
    },
  ];
  const defaults = { context: folder('.'), mode: 'production' };
  webpack(
    bundles.map((bundle) => ({ ...defaults, ...bundle })),
    (error, made) => (error ? reject(error) : resolve(made)),
  );
});
const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
// What webpack says of every application that has a file above 244 KiB, the WebAssembly module here.
const isAboutSize = ({ message }) => /^(asset size limit|webpack performance recommendations):/.test(message);
const problems = [...errors, ...warnings.filter((warning) => !isAboutSize(warning))];
console.log(JSON.stringify(problems.map(({ message }) => message)));
