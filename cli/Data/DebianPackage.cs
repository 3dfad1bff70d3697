using System.Diagnostics;

namespace Lathe.Cli.Data;

/// <summary>Installs a Debian package where this machine and this user can.</summary>
/// <param name="say">Prints one line for the user.</param>
internal sealed class DebianPackage(Action<string> say)
{
    private const string Apt = "/usr/bin/apt-get";

    /// <summary>Installs the package; says so before it does.</summary>
    /// <returns>False where there is no apt-get, no right to use it, or no such package.</returns>
    public async Task<bool> InstallAsync(string package, CancellationToken stop)
    {
        if (!File.Exists(Apt)) return false;
        string[] root = [];
        if (!Environment.IsPrivilegedProcess)
        {
            if (!await SucceedsAsync("sudo", ["-n", "true"], stop)) return false;
            root = ["sudo", "-n"];
        }

        say($"installing the Debian package {package} (apt-get) ...");
        string[] install = [.. root, Apt, "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "install", "--no-install-recommends", package];
        if (await SucceedsAsync(install[0], install[1..], stop)) return true;
        // A bare machine has no lists of packages yet.
        string[] update = [.. root, Apt, "-q", "-o", "DPkg::Lock::Timeout=120", "update"];
        if (await SucceedsAsync(update[0], update[1..], stop) && await SucceedsAsync(install[0], install[1..], stop)) return true;
        say($"apt-get could not install {package}");
        return false;
    }

    private static async Task<bool> SucceedsAsync(string program, IEnumerable<string> arguments, CancellationToken stop)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DEBIAN_FRONTEND"] = "noninteractive" },
        };
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            await Task.WhenAll(process.StandardOutput.ReadToEndAsync(stop), process.StandardError.ReadToEndAsync(stop));
            await process.WaitForExitAsync(stop);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
