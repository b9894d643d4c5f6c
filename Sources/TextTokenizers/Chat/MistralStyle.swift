/// The templates of Mistral and Mixtral: questions in `[INST]` and `[/INST]`, answers end with EOS.
struct MistralStyle: Hashable, Sendable {
  /// Where a system message goes.
  enum System: Hashable, Sendable {
    /// It is refused.
    case refused
    /// Before the first question.
    case first
    /// Before the question that is the last message.
    case last
  }

  /// Before and behind a question.
  var opening: String
  var closing: String
  /// Before an answer.
  var answerOpening: String
  var system: System

  /// Recognizes a template.
  init?(_ text: TemplateText) {
    guard let question = text.literalsAround("+message.content+", opening: "[INST]", closing: "[/INST]")
    else {
      return nil
    }
    (opening, closing) = question
    guard opening == opening.filter({ $0 != "\\" }), text.contains("raise_exception") else { return nil }
    if text.contains("{{message.content+eos_token}}") {
      answerOpening = ""
    } else if text.contains("{{' '+message.content+eos_token}}") {
      answerOpening = " "
    } else {
      return nil
    }
    let withSystem = "{{'\(opening)'+system_message+'\\n\\n'+message.content+'\(closing)'}}"
    let isFirst = text.contains("{%ifloop.firstandsystem_messageisdefined%}" + withSystem)
    let isLast = text.contains("{%ifloop.lastandsystem_messageisdefined%}" + withSystem)
    system = isFirst ? .first : isLast ? .last : .refused
    guard text.contains("system_message") == (system != .refused), text.contains("{{bos_token}}"),
      !text.contains("SYSTEM_PROMPT"), !text.contains("|trim"), !text.contains("add_generation_prompt")
    else { return nil }
  }

  func render(_ messages: [ChatMessage], bos: String, eos: String) throws(TokenizerError) -> String {
    var rest = messages[...]
    var systemMessage: String?
    if system != .refused {
      guard let first = messages.first else { throw ChatTemplate.refused("at least one message", "none") }
      if first.role == "system" {
        systemMessage = first.content
        rest.removeFirst()
      }
    }
    try ChatTemplate.requireAlternation(rest)
    var text = bos
    for (index, message) in rest.enumerated() {
      switch message.role {
      case "user":
        let takesSystem = system == .first ? index == 0 : index == rest.count - 1
        let prefix = takesSystem ? systemMessage.map { $0 + "\n\n" } ?? "" : ""
        text += opening + prefix + message.content + closing
      case "assistant": text += answerOpening + message.content + eos
      default: throw ChatTemplate.refused("user or assistant as role", "\"\(message.role)\"")
      }
    }
    return text
  }
}

extension TemplateText {
  /// The literals on both sides of the first `{{'…' middle '…'}}` whose literals contain `opening` and `closing`.
  func literalsAround(_ middle: String, opening: String, closing: String) -> (String, String)? {
    for left in literals where left.hasSuffix(opening) || left.hasSuffix(opening + " ") {
      for right in literals where right == closing || right == " " + closing {
        if contains("{{'" + left + "'" + middle + "'" + right + "'}}") { return (left, right) }
      }
    }
    return nil
  }
}
