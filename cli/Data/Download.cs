using Lathe.Contracts;

namespace Lathe.Cli.Data;

/// <summary>Gets files from http addresses that a sweep names.</summary>
/// <param name="http">Client to download with.</param>
/// <param name="say">Prints one line for the user.</param>
internal sealed class Download(HttpClient http, Action<string> say)
{
    /// <summary>Whether a text is an address rather than a path.</summary>
    public static Uri? Address(string source) =>
        Uri.TryCreate(source, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address : null;

    /// <summary>Downloads to a temporary file, which is deleted after use.</summary>
    /// <param name="address">Address of the file.</param>
    /// <param name="use">Called with the file's path. In the messages of its errors the address replaces the path.</param>
    /// <param name="stop">Cancels it.</param>
    /// <exception cref="LatheException">The download fails, or the file is not what was expected.</exception>
    public async Task<T> UseAsync<T>(Uri address, Func<string, T> use, CancellationToken stop)
    {
        say($"getting {address}");
        var file = Path.GetTempFileName();
        try
        {
            await using (var to = File.Create(file))
            {
                using var response = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, stop);
                response.EnsureSuccessStatusCode();
                await response.Content.CopyToAsync(to, stop);
            }

            return use(file);
        }
        catch (LatheException problem)
        {
            throw new LatheException(problem.Message.Replace(file, address.ToString(), StringComparison.Ordinal), inner: problem);
        }
        catch (Exception problem) when (problem is HttpRequestException or IOException || (problem is TaskCanceledException && !stop.IsCancellationRequested))
        {
            throw new LatheException($"{address} cannot be had: {problem.Message}", inner: problem);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
