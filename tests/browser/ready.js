async (tries) => {  // whether the notebook in front has its kernel, after so many tenths of a second at most
  for (let i = 0; i < tries; i++) {
    const panel = window.jupyterapp?.shell.currentWidget;
    if (panel?.context && panel.sessionContext) {
      await panel.context.ready;
      await panel.sessionContext.ready;
      await panel.sessionContext.session.kernel.info;
      return true;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}
