/// The special tokens that a template writes.
enum SpecialMarkers {
  /// All `<|name|>` in the template's literals, without repetitions, in order.
  static func all(in text: TemplateText) -> [String] {
    var result: [String] = []
    for literal in text.literals {
      let bytes = Array(literal.utf8)
      var start = 0
      while let open = ByteSearch.first(Array("<|".utf8), in: bytes, from: start),
        let close = ByteSearch.first(Array("|>".utf8), in: bytes, from: open + 2)
      {
        let marker = String(decoding: bytes[open..<close + 2], as: UTF8.self)
        if !result.contains(marker) { result.append(marker) }
        start = close + 2
      }
    }
    return result
  }
}

extension ChatTemplate {
  /// The style of a template, or `nil` if some part of it is not known.
  static func style(of text: TemplateText) -> Style? {
    let markers = Set(SpecialMarkers.all(in: text))
    if markers.contains("<|im_start|>") { return chatMLStyle(of: text, markers) }
    if markers.contains("<|start_header_id|>") { return llama3Style(of: text, markers) }
    guard markers.isEmpty, text.contains("[INST]") else { return nil }
    if text.contains("<<SYS>>") { return llama2Style(of: text) }
    return MistralStyle(text).map { .mistral($0) }
  }

  private static func chatMLStyle(of text: TemplateText, _ markers: Set<String>) -> Style? {
    guard
      markers.isSubset(of: [
        "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
      ])
    else { return nil }
    if let style = QwenStyle(text) { return .qwen(style) }
    // One loop that writes every message, nothing else.
    guard text.contains("{{'<|im_start|>'+message.role+'\\n'+message.content+'<|im_end|>\\n'}}"),
      text.contains("{%ifadd_generation_prompt%}{{'<|im_start|>assistant\\n'}}{%endif%}"),
      !text.contains("tool"), !text.contains("think"), !text.contains("raise_exception"),
      !text.contains("|trim")
    else { return nil }
    let system = defaultSystem(of: text)
    // Without a default there are just the two pieces; with one, three.
    guard text.literals.filter({ $0.hasPrefix("<|im_start|>") }).count == (system == nil ? 2 : 3) else {
      return nil
    }
    return .plainChatML(defaultSystem: system)
  }

  /// The system message that a ChatML template writes when the conversation has none.
  static func defaultSystem(of text: TemplateText) -> String? {
    let start = "<|im_start|>system\\n"
    let end = "<|im_end|>\\n"
    for literal in text.literals where literal.hasPrefix(start) && literal.hasSuffix(end) {
      let system = literal.dropFirst(start.count).dropLast(end.count)
      return TemplateText.unescaped(String(system))
    }
    return nil
  }

  private static func llama2Style(of text: TemplateText) -> Style? {
    // Spaces are part of the literals, so they are written out here.
    let exact = [
      "{{bos_token+'[INST] '+content.strip()+' [/INST]'}}", "{{' '+content.strip()+' '+eos_token}}",
      "setcontent='<<SYS>>\\n'+system_message+'\\n<</SYS>>\\n\\n'+message.content",
    ]
    guard exact.allSatisfy(text.contains), !text.contains("add_generation_prompt"),
      text.contains("{%setsystem_message=false%}")
    else { return nil }
    return .llama2
  }

  private static func llama3Style(of text: TemplateText, _ markers: Set<String>) -> Style? {
    guard
      markers.isSubset(of: [
        "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>",
      ]),
      text.contains(
        "'<|start_header_id|>'+message.role+'<|end_header_id|>\\n\\n'+message.content|trim+'<|eot_id|>'")
    else { return nil }
    let prompt = "{{'<|start_header_id|>assistant<|end_header_id|>\\n\\n'}}"
    let dateBlock = text.contains("Cutting Knowledge Date: December 2023\\n")
    if dateBlock {
      guard text.contains("'26 Jul 2024'"), text.contains("{{bos_token}}"),
        text.contains("Today Date: '+date_string"),
        text.contains("{%ifadd_generation_prompt%}" + prompt + "{%endif%}")
      else { return nil }
      return .llama3(dateBlock: true, alwaysPrompts: false)
    }
    guard text.contains("{%ifloop.index0==0%}{%setcontent=bos_token+content%}{%endif%}{{content}}{%endfor%}")
    else {
      return nil
    }
    if text.contains("{%ifadd_generation_prompt%}" + prompt + "{%endif%}") {
      return .llama3(dateBlock: false, alwaysPrompts: false)
    }
    return text.contains("{%endfor%}" + prompt) ? .llama3(dateBlock: false, alwaysPrompts: true) : nil
  }
}
