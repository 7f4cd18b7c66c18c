/* In the place of LiteRT.js's own loader, which would fetch scripts by itself: runtime.js has put its program and its
   WebAssembly in place already. */

export async function createWasmLib(Library) {
  const module = await self.ModuleFactory(self.Module);
  delete self.Module;
  return new Library(module);
}
