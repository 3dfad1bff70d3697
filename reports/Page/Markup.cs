using System.Xml.Linq;
using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;

namespace Lathe.Reports.Page;

/// <summary>Elements of a page. It is made of elements, not of text: whatever people call their things, it stays well-formed.</summary>
internal static class Markup
{
    private static readonly string[] WithoutContent = ["meta", "br"];

    /// <summary>An element with a class.</summary>
    public static XElement Styled(string name, string style, params IEnumerable<object?> content) => new(name, new XAttribute("class", style), content.Select(Sound));

    /// <summary>An element.</summary>
    public static XElement Of(string name, params IEnumerable<object?> content) => new(name, content.Select(Sound));

    /// <summary>A heading with what stands under it; null where that is nothing.</summary>
    public static XElement? Section(string title, IEnumerable<XElement?> content)
    {
        var some = content.OfType<XElement>().ToList();
        return some.Count == 0 ? null : Of("section", [Of("h2", title), .. some]);
    }

    /// <summary>What is shown when somebody asks for it.</summary>
    public static XElement Folded(IEnumerable<object> summary, IEnumerable<XElement?> content) => Of("details", [Of("summary", summary), .. content]);

    /// <summary>A table that can be moved to the side where it is too wide.</summary>
    public static XElement Table(IEnumerable<XElement> heads, IEnumerable<XElement> rows) =>
        Styled("div", "wide", Of("table", Of("thead", Of("tr", heads)), Of("tbody", rows)));

    /// <summary>Head of a column.</summary>
    public static XElement Head(string title, bool isText = false, string about = "")
    {
        var head = isText ? Styled("th", "text", title) : Of("th", title);
        head.Add(new XAttribute("scope", "col"));
        if (about.Length > 0) head.Add(new XAttribute("title", XmlText.Of(about)));
        return head;
    }

    /// <summary>A cell with smaller lines below its figure.</summary>
    public static XElement Cell(string figure, params IEnumerable<string> below) => Of("td", [figure, .. below.Where(b => b.Length > 0).Select(b => Of("small", b))]);

    /// <summary>A panel as a table or a picture; null where its kind is not known here, or it has nothing to show.</summary>
    public static XElement? Panel(Panel panel, string title) => panel is TablePanel table ? Table(table, title)
        : PanelDrawing.Of(panel) is not { } drawing ? null
        : Of("figure", Of("h3", title), SvgPicture.Element(drawing), panel.Caption.Length == 0 ? null : Of("figcaption", panel.Caption));

    /// <summary>The text of a page.</summary>
    public static string Text(XElement page)
    {
        // A reader of HTML takes <td /> for the start of a cell.
        foreach (var element in page.DescendantsAndSelf().Where(e => e.IsEmpty && e.Name.NamespaceName.Length == 0 && !WithoutContent.Contains(e.Name.LocalName)))
            element.Value = "";
        return $"<!DOCTYPE html>\n{page.ToString(SaveOptions.DisableFormatting)}\n";
    }

    private static XElement? Table(TablePanel table, string title)
    {
        if (table.Rows.Count == 0) return null;
        var heads = table.Columns.Select(c => Head(c.Title, c.IsText));
        var rows = table.Rows.Select((_, row) => Of("tr", table.Columns.Select((column, i) =>
            column.IsText ? Styled("td", "text", TableCells.Text(table, row, i)) : Of("td", TableCells.Text(table, row, i)))));
        return Styled("div", "table", Of("h3", title), Table(heads, rows), table.Caption.Length == 0 ? null : Styled("p", "soft", table.Caption));
    }

    private static object? Sound(object? content) => content is string text ? XmlText.Of(text) : content;
}
