namespace Lathe.Contracts;

/// <summary>One thing wrong with a stage's parameters.</summary>
/// <param name="Pointer">
/// JSON pointer (RFC 6901) into the parameters: <c>/bits/features.0</c>; empty where the parameters as a whole are meant.
/// </param>
/// <param name="Message">What is wrong, what was expected and what to do; it does not repeat the pointer.</param>
public sealed record ParameterProblem(string Pointer, string Message);
