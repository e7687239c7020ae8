# What our LuCI page asks of luci.mk, without an SDK: htdocs is /www, root is /, and rpcd reads its access rules again.
# Translations need LuCI's own po2lmo: there are none in a package made here.

LUCI_NAME := $(notdir $(CURDIR))
PKG_NAME := $(LUCI_NAME)
PKG_MAINTAINER := $(LUCI_MAINTAINER)

include $(INCLUDE_DIR)/package.mk

define Package/$(LUCI_NAME)
  SECTION:=luci
  DEPENDS:=$(LUCI_DEPENDS)
  URL:=$(LUCI_URL)
endef

define Package/$(LUCI_NAME)/description
  $(if $(LUCI_DESCRIPTION),$(LUCI_DESCRIPTION),$(LUCI_TITLE))
endef

define Package/$(LUCI_NAME)/install
	$(if $(wildcard htdocs),$(INSTALL_DIR) $(1)/www && $(CP) htdocs/. $(1)/www/)
	$(if $(wildcard root),$(CP) root/. $(1)/)
	chmod -R u=rwX,go=rX $(1)
endef

define Package/$(LUCI_NAME)/postinst
#!/bin/sh
if [ -z "$${IPKG_INSTROOT}" ]; then
	rm -rf /tmp/luci-indexcache.* /tmp/luci-modulecache/
	/etc/init.d/rpcd reload
fi
exit 0
endef

$(eval $(call BuildPackage,$(LUCI_NAME)))
