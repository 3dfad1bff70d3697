using System.Globalization;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace Lathe.Coordinator;

/// <summary>Writes a table as a file for other programs.</summary>
internal static class TableFiles
{
    /// <summary>Comma-separated values as RFC 4180 has them, UTF-8, with the columns' names in the first line.</summary>
    public static byte[] Csv(ResultTable table)
    {
        var text = new StringBuilder();
        text.Append(string.Join(',', table.Columns.Select(c => Field(c.Name)))).Append("\r\n");
        foreach (var row in table.Rows) text.Append(string.Join(',', row.Select(v => Field(Convert.ToString(v, CultureInfo.InvariantCulture) ?? "")))).Append("\r\n");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>Apache Parquet, one row group; numbers are doubles.</summary>
    public static async Task<byte[]> ParquetAsync(ResultTable table, CancellationToken stop)
    {
        var fields = table.Columns.Select(c => c.IsText ? (DataField)new DataField<string>(c.Name) : new DataField<double?>(c.Name)).ToList();
        using var file = new MemoryStream();
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema([.. fields]), file, cancellationToken: stop))
        {
            using var group = writer.CreateRowGroup();
            for (var i = 0; i < fields.Count; i++)
            {
                var column = i;
                if (table.Columns[i].IsText) await group.WriteAsync(fields[i], table.Rows.Select(r => r[column] as string).ToList()!);
                else await group.WriteAsync<double>(fields[i], table.Rows.Select(r => r[column] is { } number ? Convert.ToDouble(number, CultureInfo.InvariantCulture) : (double?)null).ToArray(), cancellationToken: stop);
            }
        }

        return file.ToArray();
    }

    private static string Field(string text) => text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
