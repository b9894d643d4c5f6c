/// One message of a conversation.
public struct ChatMessage: Hashable, Sendable {
  /// Who speaks: `system`, `user`, `assistant`, or `tool` where the template knows it.
  public var role: String
  /// What is said.
  public var content: String
  /// The reasoning before an assistant's answer, if it is kept apart from the content.
  public var reasoning: String?

  /// Creates a message.
  public init(role: String, content: String, reasoning: String? = nil) {
    self.role = role
    self.content = content
    self.reasoning = reasoning
  }
}
