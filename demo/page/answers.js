// No answer is lost when a question follows the last answer closely.
//
// Gradio's server ends a page's stream of answers when nothing is pending, and says so in it. A question that is asked
// before the page has read that counts on the ended stream: its answer never comes and its place turns for ever
// (gradio 6.31: routes.queue_data, and open_stream in the client). So the end is kept from the page while a question is
// open, and its stream goes on from a new one, where the server has kept what is left.
(() => {
  const ask = window.fetch.bind(window);
  const open = new Set(); // questions without their answer
  const early = new Set(); // answers read before their question's number
  let asking = 0; // questions without their number

  window.fetch = (what, how) => {
    const url = String(what.url ?? what);
    if (url.includes("/queue/join")) return join(what, how);
    if (url.includes("/queue/data")) return listen(new Request(what, how));
    return ask(what, how);
  };

  async function join(what, how) {
    asking++;
    try {
      const answer = await ask(what, how);
      const { event_id: id } = answer.ok ? await answer.clone().json() : {};
      if (id && !early.delete(id)) open.add(id);
      return answer;
    } finally {
      asking--;
    }
  }

  async function listen(request) {
    const first = await ask(request.clone());
    if (!first.ok || !first.body) return first;
    const body = new ReadableStream({ start: (page) => void follow(first, request, page) });
    return new Response(body, { status: first.status, headers: first.headers });
  }

  async function follow(answer, request, page) {
    const writer = new TextEncoder();
    try {
      for (;;) {
        for await (const message of messagesOf(answer.body)) {
          const told = read(message);
          if (told.msg === "process_completed" && !open.delete(told.event_id)) early.add(told.event_id);
          if (told.msg === "close_stream" && (asking || open.size)) break;
          page.enqueue(writer.encode(`${message}\n\n`));
          if (told.msg === "close_stream") return page.close();
        }
        answer = await ask(request.clone());
        if (!answer.ok) throw new Error(`the stream of answers ended with status ${answer.status}`);
      }
    } catch (error) {
      page.error(error);
    }
  }

  /** The messages of a stream of server-sent events; a stream that ends without saying so is an error. */
  async function* messagesOf(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream of answers broke off");
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      yield* parts;
    }
  }

  function read(message) {
    try {
      return JSON.parse(message.replace(/^data: /, ""));
    } catch {
      return {}; // a comment, or what only the page understands
    }
  }
})();
