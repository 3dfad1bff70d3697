using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Execution keys come from messages and become file names, so only a digest is accepted.</summary>
internal static class StoreKey
{
    public static string Checked(string key) =>
        key.Length == 64 && key.All(char.IsAsciiHexDigitLower)
            ? key
            : throw new LatheException($"'{key}' is no execution key; expected 64 lower-case hexadecimal characters");
}
