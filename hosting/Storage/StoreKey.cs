using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Execution keys become file names, and they come from messages: nothing but a digest may pass.</summary>
internal static class StoreKey
{
    public static string Checked(string key) =>
        key.Length == 64 && key.All(char.IsAsciiHexDigitLower)
            ? key
            : throw new LatheException($"'{key}' is no execution key; expected 64 lower-case hexadecimal characters");
}
