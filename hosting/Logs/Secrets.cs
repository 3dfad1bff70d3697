using System.Collections;
using System.Text.RegularExpressions;

namespace Lathe.Hosting;

/// <summary>Secrets that this process was told, so that nothing it writes for others has one in it.</summary>
internal sealed partial class Secrets
{
    // What is shorter is no secret, and stands in other words.
    private const int Shortest = 6;

    private readonly IReadOnlyList<string> _known;

    /// <param name="settings">Has the broker's password.</param>
    /// <param name="environment">Variables by name; by default this process's.</param>
    public Secrets(HostingSettings settings, IDictionary? environment = null)
    {
        var named = (environment ?? Environment.GetEnvironmentVariables()).Cast<DictionaryEntry>().Where(v => SecretName().IsMatch((string)v.Key)).Select(v => v.Value as string);
        _known =
        [
            .. named.Append(settings.Broker?.Password).OfType<string>().SelectMany(s => (string[])[s, Uri.EscapeDataString(s)])
                .Where(s => s.Length >= Shortest).Distinct().OrderByDescending(s => s.Length),
        ];
    }

    /// <summary>The text with every secret replaced, and passwords in addresses.</summary>
    public string HiddenIn(string text)
    {
        foreach (var secret in _known) text = text.Replace(secret, "***", StringComparison.Ordinal);
        return PasswordOfAddress().Replace(text, "$1***@");
    }

    [GeneratedRegex("SECRET|PASSWORD|TOKEN|API_?KEY|LATHE_DATABASE", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+@", RegexOptions.IgnoreCase)]
    private static partial Regex PasswordOfAddress();
}
