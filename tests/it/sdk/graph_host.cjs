// For SDKs in Node that know one host: what the environment variable GRAPH_AT names is graph.facebook.com, as a line in
// /etc/hosts and a port mapping would do it; beyond this machine no other host is there. Node 18 and 20 know no proxy variables.
const tls = require("node:tls");

const [host, port] = process.env.GRAPH_AT.split(":");
const connect = tls.connect;
tls.connect = (options, ...rest) => {
    if (options.host === "127.0.0.1") {
        return connect(options, ...rest);
    }
    if (options.host !== "graph.facebook.com" || Number(options.port) !== 443) {
        throw new Error(`connects to ${options.host}:${options.port}`);
    }
    return connect({ ...options, host, port: Number(port), servername: options.host }, ...rest);
};
