/// The templates of the Qwen families: ChatML with tool results, default system messages and thinking.
struct QwenStyle: Hashable, Sendable {
  /// How earlier answers are written.
  enum History: Hashable, Sendable {
    /// As they are (Qwen2.5, Qwen3 Instruct).
    case verbatim
    /// The thinking of answers before the last question is left out (Qwen3).
    case dropsThinking
    /// The same, and all contents are trimmed (Qwen3.5, Qwen3.6).
    case dropsThinkingAndTrims
  }

  /// What follows `<|im_start|>assistant\n`.
  enum Generation: Hashable, Sendable {
    /// Nothing.
    case plain
    /// `<think>\n`
    case thinks
    /// Nothing, or an empty thought when thinking is off.
    case thinksUnlessOff
    /// `<think>\n`, or an empty thought when thinking is off.
    case opensUnlessOff
  }

  var defaultSystem: String?
  var history: History
  var generation: Generation

  var name: String {
    switch history {
    case .verbatim: "Qwen2"
    case .dropsThinking: "Qwen3"
    case .dropsThinkingAndTrims: "Qwen3.5"
    }
  }

  /// Recognizes a template.
  init?(_ text: TemplateText) {
    guard text.contains("message.role=='tool'"), text.contains("'\\n<tool_response>\\n'"),
      text.contains("'\\n</tool_response>'")
    else { return nil }
    let user = "{{'<|im_start|>'+message.role+'\\n'+message.content+'<|im_end|>\\n'}}"
    let part = "{{'<|im_start|>'+message.role+'\\n'+content+'<|im_end|>\\n'}}"
    guard text.contains(user) || text.contains(part) else { return nil }
    let system = "'<|im_start|>system\\n'+messages[0].content+'<|im_end|>\\n'"
    let isRendered = text.contains("render_content(messages[0].content,false,true)|trim")
    guard text.contains(system) || isRendered else { return nil }
    defaultSystem = ChatTemplate.defaultSystem(of: text)
    let thought = "{{'<|im_start|>'+message.role+'\\n<think>\\n'+reasoning_content"
    if text.contains("last_query_index") {
      if isRendered {
        guard text.contains(thought + "+'\\n</think>\\n\\n'+content}}"),
          text.contains("setreasoning_content=reasoning_content|trim")
        else { return nil }
        history = .dropsThinkingAndTrims
      } else {
        guard text.contains(thought + ".strip('\\n')+'\\n</think>\\n\\n'+content.lstrip('\\n')}}"),
          text.contains("{%ifloop.lastor(notloop.lastandreasoning_content)%}")
        else { return nil }
        history = .dropsThinking
      }
    } else {
      guard !isRendered, !text.contains("</think>"), !text.contains("|trim") else { return nil }
      history = .verbatim
    }
    guard let generation = Self.generation(text) else { return nil }
    self.generation = generation
  }

  private static func generation(_ text: TemplateText) -> Generation? {
    let start = "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\\n"
    let off = "'}}{%ifenable_thinkingisdefinedandenable_thinkingisfalse%}{{'<think>\\n\\n</think>\\n\\n'}}"
    if text.contains(start + "'}}{%endif%}") { return .plain }
    if text.contains(start + "<think>\\n'}}{%endif%}") { return .thinks }
    if text.contains(start + off + "{%endif%}{%endif%}") { return .thinksUnlessOff }
    if text.contains(start + off + "{%else%}{{'<think>\\n'}}{%endif%}{%endif%}") { return .opensUnlessOff }
    return nil
  }

  func render(
    _ messages: [ChatMessage], addGenerationPrompt: Bool, thinking: ChatTemplate.Thinking
  ) throws(TokenizerError) -> String {
    guard let first = messages.first else { throw ChatTemplate.refused("at least one message", "none") }
    let trims = history == .dropsThinkingAndTrims
    func content(_ message: ChatMessage) -> String {
      trims ? ByteSearch.stripped(message.content) : message.content
    }
    var text = ""
    if first.role == "system" {
      text += "<|im_start|>system\n" + content(first) + "<|im_end|>\n"
    } else if let defaultSystem {
      text += "<|im_start|>system\n" + defaultSystem + "<|im_end|>\n"
    }
    let lastQuery = messages.lastIndex { message in
      let body = Array(content(message).utf8)
      return message.role == "user"
        && !(body.starts(with: "<tool_response>".utf8)
          && body.reversed().starts(with: "</tool_response>".utf8.reversed()))
    }
    if trims, lastQuery == nil { throw ChatTemplate.refused("a message of the user", "none") }
    for (index, message) in messages.enumerated() {
      switch message.role {
      case "system" where trims && index > 0:
        throw ChatTemplate.refused("the system message at the beginning", "one as message \(index + 1)")
      case "system" where index == 0: break
      case "user", "system":
        text += "<|im_start|>\(message.role)\n" + content(message) + "<|im_end|>\n"
      case "assistant":
        let isLast = index == messages.count - 1
        let isRecent = index > lastQuery ?? messages.count - 1
        text +=
          "<|im_start|>assistant\n" + answer(message, isRecent: isRecent, isLast: isLast) + "<|im_end|>\n"
      case "tool":
        let follows = index > 0 ? messages[index - 1].role == "tool" : trims
        if !follows { text += "<|im_start|>user" }
        text += "\n<tool_response>\n" + content(message) + "\n</tool_response>"
        if index == messages.count - 1 || messages[index + 1].role != "tool" { text += "<|im_end|>\n" }
      default:
        if trims {
          throw ChatTemplate.refused("system, user, assistant or tool as role", "\"\(message.role)\"")
        }
      }
    }
    return addGenerationPrompt ? text + prompt(thinking) : text
  }

  private func prompt(_ thinking: ChatTemplate.Thinking) -> String {
    let start = "<|im_start|>assistant\n"
    let noThought = "<think>\n\n</think>\n\n"
    switch generation {
    case .plain: return start
    case .thinks: return start + "<think>\n"
    case .thinksUnlessOff: return thinking == .off ? start + noThought : start
    case .opensUnlessOff: return start + (thinking == .off ? noThought : "<think>\n")
    }
  }

  private func answer(_ message: ChatMessage, isRecent: Bool, isLast: Bool) -> String {
    guard history != .verbatim else { return message.content }
    let trims = history == .dropsThinkingAndTrims
    var content = trims ? ByteSearch.stripped(message.content) : message.content
    var reasoning = ""
    if let given = message.reasoning {
      reasoning = given
    } else if ByteSearch.contains("</think>", in: content) {
      let head = ByteSearch.withoutLineFeeds(
        ByteSearch.before("</think>", in: content), start: false, end: true)
      reasoning = ByteSearch.withoutLineFeeds(
        ByteSearch.afterLast("<think>", in: head), start: true, end: false)
      content = ByteSearch.withoutLineFeeds(
        ByteSearch.afterLast("</think>", in: content), start: true, end: false)
    }
    if trims { reasoning = ByteSearch.stripped(reasoning) }
    guard isRecent, trims || isLast || !reasoning.isEmpty else { return content }
    if !trims {
      reasoning = ByteSearch.withoutLineFeeds(reasoning, start: true, end: true)
      content = ByteSearch.withoutLineFeeds(content, start: true, end: false)
    }
    return "<think>\n" + reasoning + "\n</think>\n\n" + content
  }
}
