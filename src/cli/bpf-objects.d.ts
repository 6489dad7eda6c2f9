// The compiled eBPF objects of build/bpf, embedded in the executable: importing one gives its path.
declare module "*.bpf.o" {
  const path: string;
  export default path;
}
