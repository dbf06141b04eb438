// How jco puts a driver's files together: what the host lends stays an import.
export default { external: [/^wasi:/, /^tracker:/] };
