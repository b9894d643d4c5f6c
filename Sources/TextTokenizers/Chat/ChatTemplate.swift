internal import FileBytes

/// A model's way of writing a conversation as one text.
///
/// Models ship their way as a Jinja template. Templates are not executed here: the published ones of some families
/// are recognized by their parts, and rendering gives exactly the text that Jinja gives (without tools).
/// A template with parts that are not known is refused rather than guessed at.
public struct ChatTemplate: Hashable, Sendable {
  /// Whether the model is to think before it answers, where a template can say so.
  public enum Thinking: Hashable, Sendable {
    /// What the template does when nothing is said.
    case modelDefault
    /// `enable_thinking=true`
    case on
    /// `enable_thinking=false`
    case off
  }

  enum Style: Hashable, Sendable {
    /// Every message as `<|im_start|>role\ncontent<|im_end|>\n`, whatever the role.
    case plainChatML(defaultSystem: String?)
    /// The Qwen families' templates.
    case qwen(QwenStyle)
    /// `[INST] <<SYS>>`
    case llama2
    /// `<|start_header_id|>`, with the date block that Llama 3.1 begins with.
    case llama3(dateBlock: Bool, alwaysPrompts: Bool)
    /// `[INST]` without `<<SYS>>`
    case mistral(MistralStyle)
  }

  let style: Style
  private let bos: String
  private let eos: String

  /// The family of templates, for messages.
  public var name: String {
    switch style {
    case .plainChatML: "ChatML"
    case .qwen(let style): style.name
    case .llama2: "Llama 2"
    case .llama3(let dateBlock, _): dateBlock ? "Llama 3.1" : "Llama 3"
    case .mistral: "Mistral"
    }
  }

  /// Whether the rendered text has the beginning-of-sequence token in it, so that encoding must not add another.
  public var writesBOS: Bool {
    switch style {
    case .plainChatML, .qwen: false
    case .llama2, .llama3, .mistral: true
    }
  }

  /// Whether ``Thinking`` makes a difference.
  public var switchesThinking: Bool {
    if case .qwen(let style) = style {
      style.generation != .plain && style.generation != .thinks
    } else {
      false
    }
  }

  /// Recognizes a template.
  ///
  /// - Parameters:
  ///   - template: The text of `tokenizer.chat_template`.
  ///   - bos: The text of the beginning-of-sequence token, which some templates write.
  ///   - eos: The text of the end-of-sequence token.
  /// - Returns: The template, ready to render.
  /// - Throws: ``TokenizerError`` with `notSupported` for another template.
  public static func recognise(_ template: String, bos: String = "", eos: String = "") throws(TokenizerError)
    -> ChatTemplate
  {
    guard let text = TemplateText(template), let style = style(of: text) else {
      throw TokenizerError(
        .notSupported,
        Fault(
          subject: "tokenizer.chat_template",
          expected: "a template of a known family (ChatML, Qwen2, Qwen3, Qwen3.5, Llama 2, Llama 3, Mistral)",
          found: summary(template),
          remedy: "write the prompt in the model's format yourself and give it with --raw"))
    }
    return ChatTemplate(style: style, bos: bos, eos: eos)
  }

  /// Plain ChatML, for models that come without a template.
  public static let chatML = ChatTemplate(style: .plainChatML(defaultSystem: nil), bos: "", eos: "")

  private static func summary(_ template: String) -> String {
    let markers = TemplateText(template).map { SpecialMarkers.all(in: $0) } ?? []
    let list = markers.prefix(6).joined(separator: " ")
    return "\(template.utf8.count) bytes" + (list.isEmpty ? "" : " with \(list)")
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: The messages, oldest first.
  ///   - addGenerationPrompt: Whether the beginning of the assistant's next message follows.
  ///   - thinking: What is asked for; templates without a switch ignore it.
  /// - Returns: The text, with special tokens written out; encode it with `parseSpecial`, and with `addSpecial` only
  ///   if ``writesBOS`` is false.
  /// - Throws: ``TokenizerError`` with `invalidValue` for a conversation that the template refuses.
  public func render(
    _ messages: [ChatMessage], addGenerationPrompt: Bool, thinking: Thinking = .modelDefault
  ) throws(TokenizerError) -> String {
    switch style {
    case .plainChatML(let defaultSystem):
      var text = ""
      if let defaultSystem, let first = messages.first, first.role != "system" {
        text += "<|im_start|>system\n" + defaultSystem + "<|im_end|>\n"
      }
      for message in messages { text += "<|im_start|>\(message.role)\n\(message.content)<|im_end|>\n" }
      return addGenerationPrompt ? text + "<|im_start|>assistant\n" : text
    case .qwen(let style):
      return try style.render(messages, addGenerationPrompt: addGenerationPrompt, thinking: thinking)
    case .llama2: return try renderLlama2(messages)
    case .llama3(let dateBlock, let alwaysPrompts):
      return try renderLlama3(messages, dateBlock: dateBlock, prompts: addGenerationPrompt || alwaysPrompts)
    case .mistral(let style): return try style.render(messages, bos: bos, eos: eos)
    }
  }

  static func refused(_ expected: String, _ found: String) -> TokenizerError {
    TokenizerError(
      .invalidValue,
      Fault(
        subject: "conversation", expected: expected, found: found,
        remedy: "reorder the messages, or use --raw"))
  }

  /// Throws unless roles alternate, beginning with the user.
  static func requireAlternation(_ messages: ArraySlice<ChatMessage>) throws(TokenizerError) {
    for (index, message) in messages.enumerated() {
      guard (message.role == "user") == (index % 2 == 0) else {
        throw refused(
          "user and assistant in turn after an optional system message",
          "\(message.role) as message \(index + 1)")
      }
    }
  }

  private func renderLlama2(_ messages: [ChatMessage]) throws(TokenizerError) -> String {
    let system = messages.first.flatMap { $0.role == "system" ? $0.content : nil }
    guard !messages.isEmpty else { throw Self.refused("at least one message", "none") }
    let rest = messages[(system == nil ? 0 : 1)...]
    try Self.requireAlternation(rest)
    var text = ""
    for (index, message) in rest.enumerated() {
      var content = message.content
      if index == 0, let system { content = "<<SYS>>\n" + system + "\n<</SYS>>\n\n" + content }
      content = ByteSearch.stripped(content)
      if message.role == "user" {
        text += bos + "[INST] " + content + " [/INST]"
      } else if message.role == "assistant" {
        text += " " + content + " " + eos
      }
    }
    return text
  }

  private func renderLlama3(_ messages: [ChatMessage], dateBlock: Bool, prompts: Bool) throws(TokenizerError)
    -> String
  {
    if dateBlock, messages.isEmpty { throw Self.refused("at least one message", "none") }
    func header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }
    var rest = messages[...]
    var text = ""
    if dateBlock {
      text += bos + header("system")
      text += "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
      if let first = rest.first, first.role == "system" {
        text += ByteSearch.stripped(first.content)
        rest.removeFirst()
      }
      text += "<|eot_id|>"
    } else if !rest.isEmpty {
      text += bos
    }
    for message in rest {
      let isTool = dateBlock && (message.role == "tool" || message.role == "ipython")
      // The 3.1 template writes tool results as JSON strings.
      let content = isTool ? Self.jsonString(message.content) : ByteSearch.stripped(message.content)
      text += header(isTool ? "ipython" : message.role) + content + "<|eot_id|>"
    }
    return prompts ? text + header("assistant") : text
  }

  /// A JSON string as Jinja's `tojson` writes it in chat templates: nothing but what JSON requires is escaped.
  private static func jsonString(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
