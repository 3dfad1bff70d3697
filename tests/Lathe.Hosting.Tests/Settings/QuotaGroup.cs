using System.Diagnostics;
using System.Globalization;

namespace Lathe.Hosting.Tests;

/// <summary>A control group of this machine with a quota of CPU time, version 2 or version 1; gone with the test.</summary>
internal sealed class QuotaGroup : IDisposable
{
    private const int Period = 100_000;

    private readonly string _folder;
    private readonly List<Process> _members = [];

    private QuotaGroup(string folder) => _folder = folder;

    /// <summary>Makes a group; null where this machine does not let one.</summary>
    public static QuotaGroup? Make(double cpus)
    {
        foreach (var top in (string[])["/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"])
        {
            var group = new QuotaGroup(Path.Combine(top, $"lathe-test-{Environment.ProcessId}"));
            try
            {
                Directory.CreateDirectory(group._folder);
                if (group.Allow(cpus)) return group;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not there, not ours to write, or without the controller: the next.
            }

            group.Dispose();
        }

        return null;
    }

    /// <summary>Changes the quota; false where the folder is no group with one.</summary>
    public bool Allow(double cpus)
    {
        var quota = ((int)(cpus * Period)).ToString(CultureInfo.InvariantCulture);
        var (two, one) = (Path.Combine(_folder, "cpu.max"), Path.Combine(_folder, "cpu.cfs_quota_us"));
        if (File.Exists(two)) File.WriteAllText(two, $"{quota} {Period}");
        else if (File.Exists(one)) File.WriteAllText(one, quota);
        else return false;
        return true;
    }

    /// <summary>Starts a process in the group that does nothing until the group goes.</summary>
    public Process Start()
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["-c", "echo $$ > \"$0/cgroup.procs\" && echo joined && read line", _folder]) start.ArgumentList.Add(argument);
        var member = Process.Start(start)!;
        _members.Add(member);
        Assert.Equal("joined", member.StandardOutput.ReadLine());
        return member;
    }

    public void Dispose()
    {
        foreach (var member in _members)
        {
            member.StandardInput.Close();
            member.WaitForExit();
            member.Dispose();
        }

        if (Directory.Exists(_folder)) Directory.Delete(_folder);
    }
}
