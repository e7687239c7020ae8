# What our package Makefiles ask of OpenWrt's rules.mk, so that cross/ipk reads them without an SDK.

INCLUDE_DIR := $(TOPDIR)/include

CP := cp -fpR
LN := ln -sf
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
